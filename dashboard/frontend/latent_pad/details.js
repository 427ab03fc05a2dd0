/**
 * Thumbnails and codes of the points of a map, which come after the points themselves.
 *
 * The component latent_details gives them, the component latent_pad takes them: both load this
 * module, so they share what is kept here.
 */

import { unpackBits } from "../blob.js";

const kept = new Map(); // token to details
const waiting = new Map(); // token to listeners
const MOST = 3;

export class Details {
  constructor({ header, arrays }) {
    this.count = header.images; // the first points have images
    this.codes = arrays.codes ?? null; // of the first points, flat
    this.codeCount = header.codes;
    this.packed = header.packed;
    this.images = arrays.images;
  }

  /** The image of a point as bytes; null where it was not sent. */
  image(index, width) {
    if (index < 0 || index >= this.count) return null;
    if (this.packed) return unpackBits(this.images, index, width);
    return this.images.subarray(index * width, (index + 1) * width);
  }
}

/** Keep what has come, and tell those who wait for it. */
export function give(message) {
  const { token } = message.header;
  if (!kept.has(token)) {
    kept.set(token, new Details(message));
    if (kept.size > MOST) kept.delete(kept.keys().next().value);
  }
  for (const listener of waiting.get(token) ?? []) listener(kept.get(token));
  waiting.delete(token);
}

export const has = (token) => kept.has(token);

/** Call `listener` with the details of a map, now or when they come. */
export function whenThere(token, listener) {
  if (kept.has(token)) listener(kept.get(token));
  else waiting.set(token, [...(waiting.get(token) ?? []), listener]);
}
