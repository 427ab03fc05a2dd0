/**
 * Draws of a model of several layers, of which some are locked: any draw is found by its number.
 *
 * At each tick the locked layers stay and the others are drawn from the prior given those above, so
 * a state depends on the tick's own random numbers and on what the locked layers were when they were
 * locked: to go to any tick, only the ticks at which locks changed have to be drawn again.
 * dashboard/logic/sample/browser_draws.py draws the same.
 */
import { Random } from "../random.js";

export const MOST_CHANGES = 100; // of locks, in a link

export const REMEMBERED = 24; // draws before the present one that can still be shown

const PIXELS = 0x5bd1e995; // another stream of random numbers, for the pixels

/** The random numbers of a tick: neighbouring ticks and seeds have unrelated ones. */
export function tickRandom(seed, tick) {
  let h = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(tick + 1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return new Random((h ^ (h >>> 16)) >>> 0);
}

export class LayerDraws {
  /**
   * @param {Model} model
   * @param {object} state
   * @param {number} state.seed
   * @param {number} state.step the tick.
   * @param {number[][]} state.locks pairs of a tick and the locks that hold after it, one bit a
   *   layer with the layer next to the image lowest; in the order of the ticks.
   */
  constructor(model, { seed, step, locks }) {
    this.model = model;
    this.seed = seed;
    this.step = step;
    this.locks = locks.map((pair) => [...pair]);
    this.z = this.at(step);
  }

  /** The locks that hold now, bit by bit. */
  get mask() {
    return this.locks.length ? this.locks.at(-1)[1] : 0;
  }

  isLocked(layer) {
    return ((this.mask >> layer) & 1) === 1;
  }

  redraw(z, mask, tick) {
    const keep = this.model.layerSizes.map((_, layer) => ((mask >> layer) & 1) === 1);
    return this.model.resample(z, keep, tickRandom(this.seed, tick));
  }

  /** The state at a tick, `(latent,)`. */
  at(step) {
    let z = this.redraw(new Float32Array(this.model.latentDim), 0, 0);
    let drawn = 0;
    let mask = 0;
    for (const [tick, next] of this.locks) {
      if (tick >= step) break;
      if (tick > drawn) {
        z = this.redraw(z, mask, tick);
        drawn = tick;
      }
      mask = next;
    }
    return step > drawn ? this.redraw(z, mask, step) : z;
  }

  /** Go on by one tick. */
  advance() {
    this.step += 1;
    this.z = this.redraw(this.z, this.mask, this.step);
  }

  /** Lock a layer from now on, or let it go; false where a link could not hold it any more. */
  lock(layer, locked) {
    const mask = locked ? this.mask | (1 << layer) : this.mask & ~(1 << layer);
    if (this.locks.length && this.locks.at(-1)[0] === this.step) this.locks.pop();
    // Nothing before a draw of all layers matters to what comes after it; what is shown stays.
    const old = this.step - REMEMBERED;
    const free = this.locks.findLastIndex(([tick, each]) => each === 0 && tick < old);
    if (free >= 0) this.locks.splice(0, free);
    if (this.locks.length >= MOST_CHANGES) return false;
    if (mask !== this.mask) this.locks.push([this.step, mask]);
    return true;
  }

  /** The image of a state, `(data,)`: means, or pixels drawn with the random numbers of a tick. */
  image(z, tick, pixels) {
    if (!pixels) return this.model.decode(z);
    return this.model.drawPixels(z, tickRandom(this.seed ^ PIXELS, tick));
  }

  state() {
    return { seed: this.seed, step: this.step, locks: this.locks.map((pair) => [...pair]) };
  }
}
