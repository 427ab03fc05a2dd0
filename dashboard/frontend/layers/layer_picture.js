/** The state of a layer as a little picture: a cell for each unit, row by row. */
import { el } from "../dom.js";

const REACH = 2.5; // prior standard deviations at which the colours are full
// Blue over grey to orange: told apart with every kind of colour blindness, on light and on dark.
const BELOW = [0, 114, 178];
const ABOVE = [230, 140, 0];
const MIDDLE = { light: [240, 240, 240], dark: [45, 52, 60] };

const mix = (a, b, share) => a.map((value, i) => value + (b[i] - value) * share);

export class LayerPicture {
  /**
   * @param {number} size units of the layer.
   * @param {boolean} isBits
   * @param {string} label what the picture is.
   */
  constructor(size, isBits, label) {
    this.size = size;
    this.isBits = isBits;
    this.label = label;
    this.columns = Math.ceil(Math.sqrt(size));
    this.rows = Math.ceil(size / this.columns);
    this.canvas = el("canvas", { role: "img", "aria-label": label, class: "pixels" });
    const cell = Math.max(8, Math.floor(272 / this.columns));
    this.cell = cell;
    this.canvas.width = this.columns * cell;
    this.canvas.height = this.rows * cell;
  }

  /** Blue for a bit that is on; noise from blue (low) to orange (high). */
  draw(values, { dark, on }) {
    const context = this.canvas.getContext("2d");
    const middle = dark ? MIDDLE.dark : MIDDLE.light;
    const gap = this.cell > 12 ? 2 : 1;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (let i = 0; i < this.size; i++) {
      const share = this.isBits ? values[i] : Math.max(-1, Math.min(1, values[i] / REACH));
      const colour = this.isBits
        ? mix(middle, on, share)
        : mix(middle, share < 0 ? BELOW : ABOVE, Math.abs(share));
      context.fillStyle = `rgb(${colour.map(Math.round).join(" ")})`;
      context.fillRect(
        (i % this.columns) * this.cell,
        Math.floor(i / this.columns) * this.cell,
        this.cell - gap,
        this.cell - gap,
      );
    }
    this.canvas.setAttribute("aria-label", `${this.label}: ${this.words(values)}`);
  }

  /** The state in words. */
  words(values) {
    if (this.isBits) {
      const on = values.reduce((sum, bit) => sum + bit, 0);
      return `${on} of ${this.size} bits on`;
    }
    const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / this.size);
    return `${this.size} values, root mean square ${length.toFixed(2)}`;
  }
}
