/** The code that the sampler shows: where it starts, and what the visitor has turned. */
import { Random } from "../random.js";

const BELOW_SEED = 1; // dashboard/logic/sample/browser_draws.py draws the same bits
export const BELOW_DRAWS = 24;

export class CodeView {
  /**
   * @param {Model} model
   * @param {object} options
   * @param {number} options.layer whose units are turned, 0 is next to the image.
   * @param {Float32Array} options.start `(latent,)`.
   * @param {?Float32Array} options.ways `(axes * layer,)` row by row: the change of the layer for a
   *   step of one along each axis; null where the units themselves are turned.
   */
  constructor(model, { layer, start, ways = null }) {
    this.model = model;
    this.layer = layer;
    this.start = start;
    this.ways = ways;
    this.size = model.layerSizes[layer];
    this.below = "average";
    this.turned = new Map();
    this.last = -1;
  }

  /** Where a dial stands before it is turned. */
  base(unit) {
    return this.ways ? 0 : this.start[this.model.starts[this.layer] + unit];
  }

  value(unit) {
    return this.turned.get(unit) ?? this.base(unit);
  }

  set(unit, value) {
    this.last = unit;
    if (value === this.base(unit)) this.turned.delete(unit);
    else this.turned.set(unit, value);
  }

  reset(unit) {
    this.turned.delete(unit);
  }

  resetAll() {
    this.turned.clear();
    this.last = -1;
  }

  /** The code `(latent,)`; with `unit`, that dial stands at `value` instead. */
  code(unit = -1, value = 0) {
    const z = Float32Array.from(this.start);
    const own = this.model.layer(z, this.layer);
    const put = (index, amount) => {
      if (!this.ways) own[index] = amount;
      else for (let i = 0; i < this.size; i++) own[i] += amount * this.ways[index * this.size + i];
    };
    for (const [index, amount] of this.turned) if (index !== unit) put(index, amount);
    if (unit >= 0) put(unit, value);
    return z;
  }

  /** E[x | this layer and those above] of a code, `(data,)`; bits below: see `below`. */
  image(z = this.code()) {
    const draws = this.below === "average" ? BELOW_DRAWS : 1;
    // The same random numbers each time: what changes in the image is then the dial's doing.
    return this.model.decodeFrom(z, this.layer, new Random(BELOW_SEED), draws);
  }

  /** One x drawn given this layer and those above, `(data,)`. */
  pixels() {
    const random = new Random(BELOW_SEED);
    const keep = this.model.layerSizes.map((_, layer) => layer >= this.layer);
    return this.model.drawPixels(this.model.resample(this.code(), keep, random), random);
  }

  /** What a report to Python and the address hold. */
  state() {
    const units = [...this.turned.keys()].sort((a, b) => a - b);
    const values = units.map((unit) => this.turned.get(unit));
    return { units, values, last: this.last, below: this.below };
  }

  /** The inverse of `state`. */
  restore({ units, values, below }) {
    this.turned = new Map(units.map((unit, i) => [unit, values[i]]));
    this.below = below;
  }
}
