/** Which pixels are hidden (1) and which are given (0): patterns to start from. */

import { Random } from "../random.js";

/** As many hidden pixels as the share says, at random places. */
export function randomMask(height, width, share, seed) {
  const mask = new Uint8Array(height * width);
  const order = Array.from(mask.keys());
  const random = new Random(seed);
  const count = Math.round(share * mask.length);
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random.uniform() * (order.length - i));
    [order[i], order[j]] = [order[j], order[i]];
    mask[order[i]] = 1;
  }
  return mask;
}

/** A square in the middle. */
export function squareMask(height, width, side) {
  const top = (height - side) >> 1;
  const left = (width - side) >> 1;
  return fill(
    height,
    width,
    (row, column) => row >= top && row < top + side && column >= left && column < left + side,
  );
}

/** One half: "top", "bottom", "left" or "right". */
export function halfMask(height, width, side) {
  const within = {
    top: (row) => row < height >> 1,
    bottom: (row) => row >= height - (height >> 1),
    left: (_, column) => column < width >> 1,
    right: (_, column) => column >= width - (width >> 1),
  };
  return fill(height, width, within[side]);
}

function fill(height, width, hides) {
  return Uint8Array.from({ length: height * width }, (_, i) =>
    Number(hides(Math.floor(i / width), i % width)),
  );
}

/** Bits as text for a message to Python: base64url of eight to a byte, the highest first. */
export function toText(mask) {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  mask.forEach((bit, i) => {
    if (bit) bytes[i >> 3] |= 128 >> (i & 7);
  });
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
