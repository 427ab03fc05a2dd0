/** The last images in a row, the newest at the end. */
import { imageCanvas, paint } from "../dom.js";

const GAP = 2;

export class FilmStrip {
  /**
   * @param {number} count of images.
   * @param {number[]} shape of an image, height and width.
   */
  constructor(count, [height, width]) {
    this.count = count;
    this.shift = width + GAP;
    this.one = imageCanvas(width, height, "");
    this.canvas = imageCanvas(
      count * this.shift - GAP,
      height,
      `The last ${count} images, the newest at the end`,
    );
    this.canvas.classList.add("strip");
    this.filled = 0;
  }

  clear() {
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.filled = 0;
  }

  /** One more image `(data,)`; a full strip moves on to the left. */
  push(values) {
    paint(this.one, values);
    const context = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    if (this.filled === this.count) {
      const rest = width - this.shift;
      context.drawImage(this.canvas, this.shift, 0, rest, height, 0, 0, rest, height);
      this.filled -= 1;
    }
    context.drawImage(this.one, this.filled * this.shift, 0);
    this.filled += 1;
  }
}
