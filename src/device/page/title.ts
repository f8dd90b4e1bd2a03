/** What an item is called: its metadata's `title`, `label` or `name`, else the name of its file without its ending. */
export function titleOf(id: string, metadata: Readonly<Record<string, unknown>> = {}): string {
  for (const field of ['title', 'label', 'name']) {
    const value = metadata[field];
    if (typeof value === 'string' && value.trim() !== '') return value;
  }
  const file = id.slice(id.lastIndexOf('/') + 1);
  return file.replace(/(?<=.)\.[a-z0-9]{1,5}$/i, '') || id;
}
