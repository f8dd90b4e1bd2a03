import { NearmissError } from '../errors.js';
import { checkId, type Item, itemRows, type JsonObject } from '../retrieve/items.js';
import type { Store } from '../retrieve/store.js';
import { checkEncoder, fromBase64, vectorFrom } from './pictures.js';
import type { ItemBody } from './schemas.js';

/** An item as it came: its picture is not embedded yet. */
export interface ItemInput {
  readonly id: string;
  /** Exactly one of the two is there. */
  readonly picture?: Uint8Array;
  readonly vector?: Float32Array;
  readonly metadata?: JsonObject;
}

/**
 * Checks an item of JSON, from a line or a body.
 *
 * @param place what it is called in messages
 * @throws `NM_REQUEST_INVALID`, `NM_ITEM_INVALID`, `NM_SHAPE_MISMATCH`, `NM_VECTOR_INVALID`, `NM_ENCODER_MISMATCH`
 */
export function itemInput(id: string, body: ItemBody, { info }: Store, place: string): ItemInput {
  const { picture, vector, metadata, fingerprint } = body;
  if ((picture === undefined) === (vector === undefined)) {
    const found = picture === undefined ? 'none' : 'both';
    throw new NearmissError('NM_REQUEST_INVALID', `${place}: found ${found}, allowed: one of picture, vector`);
  }
  checkEncoder(info.fingerprint, fingerprint, `${place}.fingerprint`);
  const about = metadata === undefined ? {} : { metadata };
  if (vector === undefined)
    return checkedInput({ id, picture: fromBase64(picture!, `${place}.picture`), ...about }, info);
  return checkedInput({ id, vector: vectorFrom(vector, info.dimension, `${place}.vector`), ...about }, info);
}

/** An item whose id and metadata, and vector if it has one, the store will take. */
export function checkedInput(input: ItemInput, { dimension, metric }: Store['info']): ItemInput {
  checkId(input.id, 'item');
  const { id, metadata } = input;
  const vector = input.vector ?? new Float32Array(dimension);
  itemRows([{ id, vector, ...(metadata === undefined ? {} : { metadata }) }], dimension, metric);
  return input;
}

/** An item as the store takes it. */
export function storable({ id, metadata }: ItemInput, vector: Float32Array): Item {
  return { id, vector, ...(metadata === undefined ? {} : { metadata }) };
}
