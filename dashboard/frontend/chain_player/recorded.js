/**
 * Recorded chains: the steps that the server has sent so far, and averages over them.
 *
 * The message is that of dashboard/logic/impute/playing.py: hidden pixels only, draws of bits packed.
 */

/** A typed array that grows. */
class Growing {
  constructor(type) {
    this.type = type;
    this.length = 0;
    this.values = new type(0);
  }

  push(more) {
    const length = this.length + more.length;
    if (length > this.values.length) {
      const larger = new this.type(Math.max(length, 2 * this.values.length));
      larger.set(this.values.subarray(0, this.length));
      this.values = larger;
    }
    this.values.set(more, this.length);
    this.length = length;
  }
}

export class Recorded {
  /** @param {{header: object, arrays: object}} message the first, from step 0 on. */
  constructor({ header, arrays }) {
    this.token = header.token;
    this.chains = header.chains;
    this.density = header.density;
    this.warmUp = header.warm_up;
    this.start = header.start; // transitions before those of the method
    this.tuned = header.tuned; // the last at which the method's step sizes change
    this.classes = header.classes;
    this.cap = header.cap;
    this.channels = header.channels; // values of a pixel, side by side
    this.given = arrays.given.slice();
    const isHidden = arrays.hidden.slice();
    this.isHidden = isHidden.filter((_, at) => at % this.channels === 0); // pixel by pixel
    this.hidden = Int32Array.from([...isHidden.keys()].filter((at) => isHidden[at] > 0));
    this.place = new Int32Array(this.given.length).fill(-1);
    this.hidden.forEach((value, at) => {
      this.place[value] = at;
    });
    this.rowBytes = this.density ? this.hidden.length : Math.ceil(this.hidden.length / 8);
    this.length = 0;
    this.columns = {
      means: new Growing(Uint8Array),
      draws: new Growing(Uint8Array),
      log_joint: new Growing(Float32Array),
      accepted: new Growing(Uint8Array),
      votes: new Growing(Uint8Array),
    };
    this.append({ header, arrays });
  }

  /** Take in the steps of a message that are new; false if steps before them are missing. */
  append({ header, arrays }) {
    if (header.token !== this.token || header.first > this.length) return false;
    const known = this.length - header.first;
    const count = header.length - header.first;
    if (count <= known) return true;
    for (const [name, column] of Object.entries(this.columns)) {
      if (!arrays[name]) continue;
      column.push(arrays[name].subarray((arrays[name].length / count) * known));
    }
    this.length = header.length;
    return true;
  }

  /** The picture of a chain at a step, "means" or "draws", bytes `(data,)` into `out`. */
  picture(kind, step, chain, out) {
    out.set(this.given);
    const row = step * this.chains + chain;
    const count = this.hidden.length;
    if (kind === "draws" && !this.density) {
      const bits = this.columns.draws.values;
      const start = row * this.rowBytes;
      for (let i = 0; i < count; i++) {
        out[this.hidden[i]] = (bits[start + (i >> 3)] >> (7 - (i & 7))) & 1 ? 255 : 0;
      }
      return out;
    }
    const bytes = this.columns[kind].values;
    for (let i = 0; i < count; i++) out[this.hidden[i]] = bytes[row * count + i];
    return out;
  }

  /** log p(x_o, z) in nats. */
  logJoint(step, chain) {
    return this.columns.log_joint.values[step * this.chains + chain];
  }

  /** The mean of a pixel, 0 to 1: in colour of its three values. */
  pixel(index, step, chain) {
    const row = (step * this.chains + chain) * this.hidden.length;
    let total = 0;
    for (let value = index * this.channels; value < (index + 1) * this.channels; value++) {
      const at = this.place[value];
      total += at < 0 ? this.given[value] : this.columns.means.values[row + at];
    }
    return total / this.channels / 255;
  }

  /** The steps that averages at a step are over, first and last: without the warm-up. */
  window(step) {
    return step === 0 ? [0, 0] : [step <= this.warmUp ? 1 : this.warmUp + 1, step];
  }

  /**
   * Share of the method's proposals that were taken; NaN before its first. Once its step sizes are
   * tuned, those of the tuning do not count.
   */
  acceptance(step) {
    let taken = 0;
    const first = ((step > this.tuned ? this.tuned : this.start) + 1) * this.chains;
    const last = (step + 1) * this.chains;
    for (let at = first; at < last; at++) taken += this.columns.accepted.values[at];
    return last > first ? taken / (last - first) : Number.NaN;
  }

  /** How many neighbours of each class a completion has, a view. */
  votes(step, chain) {
    const row = (step * this.chains + chain) * this.classes.length;
    return this.columns.votes.values.subarray(row, row + this.classes.length);
  }
}

/**
 * Mean and spread of each pixel over chains and steps, for any step and back.
 *
 * Sums of bytes are whole numbers, so a step forth and back ends exactly where it began.
 */
export class Moments {
  constructor(recorded) {
    this.recorded = recorded;
    this.sum = new Float64Array(recorded.hidden.length);
    this.squares = new Float64Array(recorded.hidden.length);
    this.first = 0;
    this.last = -1; // empty
  }

  /** Sum over the steps from `first` to `last`, by what they differ from the last ones. */
  moveTo(first, last) {
    if (first > this.last || last < this.first) {
      this.sum.fill(0);
      this.squares.fill(0);
      this.first = first;
      this.last = first - 1;
    }
    while (this.first > first) this.#add(--this.first, 1);
    while (this.last < last) this.#add(++this.last, 1);
    while (this.first < first) this.#add(this.first++, -1);
    while (this.last > last) this.#add(this.last--, -1);
  }

  #add(step, sign) {
    const { chains, hidden, columns } = this.recorded;
    const bytes = columns.means.values;
    const count = hidden.length;
    for (let chain = 0; chain < chains; chain++) {
      const start = (step * chains + chain) * count;
      for (let i = 0; i < count; i++) {
        const value = bytes[start + i];
        this.sum[i] += sign * value;
        this.squares[i] += sign * value * value;
      }
    }
  }

  get completions() {
    return (this.last - this.first + 1) * this.recorded.chains;
  }

  /** Means as bytes `(data,)` into `out`. */
  mean(out) {
    const { hidden, given } = this.recorded;
    out.set(given);
    for (let i = 0; i < hidden.length; i++) {
      out[hidden[i]] = Math.round(this.sum[i] / this.completions);
    }
    return out;
  }

  /**
   * Standard deviations in units of `top`, a pixel each into `out`; zero where a pixel is given. In
   * colour the root mean square of the three values'.
   */
  spread(top, out) {
    const { hidden, channels } = this.recorded;
    const count = this.completions;
    out.fill(0);
    for (let i = 0; i < hidden.length; i++) {
      const mean = this.sum[i] / count;
      const variance = Math.max(this.squares[i] / count - mean * mean, 0);
      out[Math.floor(hidden[i] / channels)] += variance / channels;
    }
    for (let pixel = 0; pixel < out.length; pixel++) out[pixel] = Math.sqrt(out[pixel]) / 255 / top;
    return out;
  }
}
