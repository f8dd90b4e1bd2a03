/**
 * Items that wait, by owner, taken in turns: an owner of many items does not keep the others waiting. Owners come in
 * the order of their first item; one that was served and has more goes to the end.
 */
export class FairQueue<Owner, Item> {
  private readonly waiting = new Map<Owner, Item[]>();
  private items = 0;

  /** Items that wait. */
  get length(): number {
    return this.items;
  }

  add(owner: Owner, item: Item): void {
    const others = this.waiting.get(owner);
    if (others) others.push(item);
    else this.waiting.set(owner, [item]);
    this.items++;
  }

  /** At most `most` items, shared evenly among the owners that wait, each owner's in the order they were added. */
  take(most: number): Item[] {
    const taken: Item[] = [];
    const share = Math.max(1, Math.floor(most / this.waiting.size));
    for (const [owner, items] of this.waiting) {
      if (taken.length === most) break;
      this.waiting.delete(owner);
      const part = items.splice(0, Math.min(share, most - taken.length));
      taken.push(...part);
      // Set again, the owner is at the end, and this loop comes by once more while there is room.
      if (items.length > 0) this.waiting.set(owner, items);
    }
    this.items -= taken.length;
    return taken;
  }

  /** Forgets what an owner waits for. */
  remove(owner: Owner): void {
    this.items -= this.waiting.get(owner)?.length ?? 0;
    this.waiting.delete(owner);
  }
}
