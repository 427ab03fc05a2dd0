/** The image under the microscope, to be looked at: what it is, and what it began from. */

import { el, imageCanvas, paint } from "../dom.js";

/** An image as text: bits, eight to a byte, or bytes; as dashboard/logic/recognition/recognition.py reads it. */
export function encodeImage(x, isBits) {
  const bytes = new Uint8Array(isBits ? Math.ceil(x.length / 8) : x.length);
  for (let i = 0; i < x.length; i++) {
    if (!isBits) bytes[i] = Math.round(x[i] * 255);
    else if (x[i] >= 0.5) bytes[i >> 3] |= 128 >> (i & 7);
  }
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export class Still {
  /** @param {{shape: number[], isBits: boolean}} options height, width and, in colour, 3. */
  constructor({ shape, isBits }) {
    [this.height, this.width] = shape;
    this.isBits = isBits;
    const size = shape.reduce((a, b) => a * b);
    this.x = new Float32Array(size);
    this.item = null; // the test image, where there is one
    this.start = new Float32Array(size); // what the image began from
    this.startName = "image";
    this.pixels = imageCanvas(this.width, this.height, "Image x");
    this.surface = el(
      "div",
      {
        class: "surface",
        style: `aspect-ratio: ${this.width} / ${this.height}; --shape: ${this.width / this.height}`,
      },
      this.pixels,
    );
    this.node = el(
      "figure",
      { class: "panel" },
      el("figcaption", {}, "Image x"),
      this.surface,
      el("p", { class: "caption" }, "In colour there is no brush: choose another image above."),
    );
  }

  /** Whether a stroke is under way. */
  get busy() {
    return false;
  }

  get text() {
    return encodeImage(this.x, this.isBits);
  }

  /**
   * Another image from the server.
   *
   * @param {Uint8Array} image as it is to be shown.
   * @param {?Uint8Array} item the test image.
   * @param {string} startName "image" or "blank".
   */
  open(image, item, startName) {
    this.item = item && Float32Array.from(item, (byte) => byte / 255);
    this.begin(startName);
    this.x.set(Float32Array.from(image, (byte) => byte / 255));
  }

  begin(name) {
    this.startName = name;
    if (name === "blank" || !this.item) this.start.fill(0);
    else this.start.set(this.item);
  }

  paint() {
    paint(this.pixels, this.x);
  }

  destroy() {}
}
