/** The plane of a map in latent space: from places to codes and back. */

const QUANTILE_EDGE = 1e-4; // beyond it the latents go to infinity

/** Phi, the distribution function of N(0, 1), to 1e-15 near 0 and relatively in the tails. */
export function toQuantile(value) {
  const z = Math.abs(value);
  // West (2005), "Better approximations to cumulative normal functions", after Hart (1968).
  let tail = 0;
  if (z < 7.07106781186547) {
    const over = [
      3.52624965998911e-2, 0.700383064443688, 6.37396220353165, 33.912866078383, 112.079291497871,
      221.213596169931, 220.206867912376,
    ].reduce((sum, part) => sum * z + part);
    const under = [
      8.83883476483184e-2, 1.75566716318264, 16.064177579207, 86.7807322029461, 296.564248779674,
      637.333633378831, 793.826512519948, 440.413735824752,
    ].reduce((sum, part) => sum * z + part);
    tail = (Math.exp((-z * z) / 2) * over) / under;
  } else if (z < 37) {
    const fraction = z + 1 / (z + 2 / (z + 3 / (z + 4 / (z + 0.65))));
    tail = Math.exp((-z * z) / 2) / fraction / 2.506628274631;
  }
  return value > 0 ? 1 - tail : tail;
}

/** The inverse of Phi; its ends are moved in by 1e-4. */
export function fromQuantile(share) {
  const p = Math.min(1 - QUANTILE_EDGE, Math.max(QUANTILE_EDGE, share));
  // Abramowitz and Stegun, 26.2.23, to start from, then Newton's steps.
  const t = Math.sqrt(-2 * Math.log(Math.min(p, 1 - p)));
  let value =
    t -
    (2.515517 + t * (0.802853 + t * 0.010328)) /
      (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  if (p < 0.5) value = -value;
  for (let i = 0; i < 3; i++) {
    value -= (toQuantile(value) - p) / (Math.exp((-value * value) / 2) / Math.sqrt(2 * Math.PI));
  }
  return value;
}

const dot = (a, b) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

export class LatentPlane {
  /**
   * @param {object} given `{origin, axes, rest, start, bits}`: `axes` flat `(axes * latents,)`,
   *   `rest` the mean code of all layers, `start` where the layer begins in it.
   */
  constructor({ origin, axes, rest, start, bits }) {
    this.origin = origin;
    this.size = origin.length;
    this.rest = rest;
    this.start = start;
    this.bits = bits;
    this.all = [];
    for (let at = 0; at < axes.length; at += this.size) {
      this.all.push(axes.subarray(at, at + this.size));
    }
    this.mean = Float32Array.from(rest);
    this.mean.set(origin, start);
    this.choose(0, 1, false);
  }

  /** Which axes are across and up, and whether as quantiles of the prior. */
  choose(across, up, quantiles) {
    this.pair = [this.all[across], this.all[up]];
    this.quantiles = quantiles;
  }

  /** The layer's part of a code of all layers, a view. */
  own(z) {
    return z.subarray(this.start, this.start + this.size);
  }

  /** How far a code is from the origin along the two axes. */
  coordinates(z) {
    const own = this.own(z).map((value, i) => value - this.origin[i]);
    return this.pair.map((axis) => dot(own, axis));
  }

  /** The place of a code on the map. */
  project(z) {
    const place = this.coordinates(z);
    return this.quantiles ? place.map(toQuantile) : place;
  }

  /**
   * The code at a place, all layers.
   *
   * @param {Float32Array} held the code that the other directions and layers keep.
   */
  lift(x, y, held = this.mean) {
    const wanted = this.quantiles ? [fromQuantile(x), fromQuantile(y)] : [x, y];
    const z = Float32Array.from(held);
    const own = this.own(z);
    const from = this.coordinates(held);
    for (let i = 0; i < this.size; i++) {
      own[i] += (wanted[0] - from[0]) * this.pair[0][i] + (wanted[1] - from[1]) * this.pair[1][i];
      if (this.bits) own[i] = Math.min(1, Math.max(0, own[i])); // they are probabilities
    }
    return z;
  }
}
