/** The bits of a layer: independent given their logits, or each linked to those before it. */

import { sigmoid } from "./network.js";

/** Bits as the networks between layers take them: -1 and +1 (see engine/models/sbn.py). */
export const signs = (bits) => bits.map((bit) => 2 * bit - 1);

export class Bits {
  /**
   * @param {?Float32Array} links row by row the weights of the bits before each, `(n (n - 1) / 2,)`
   *   for n bits: none for the first, one for the second; null for independent bits.
   * @param {?Float32Array} centre `(n,)`: a link carries 2 (bit - centre); null for 1/2 each.
   */
  constructor(links = null, centre = null) {
    this.links = links;
    this.centre = centre;
  }

  /** Probabilities, each at those of the bits before it: AutoregressiveBernoulli.mean of the engine. */
  mean(logits) {
    return this.#inOrder(logits, (probability) => probability).values;
  }

  /** Probabilities, each given the bits before it in `values`. */
  given(logits, values) {
    return this.#inOrder(logits, (_, i) => values[i]).probabilities;
  }

  /** One draw, bit after bit. */
  draw(logits, random) {
    const toss = (probability) => (random.uniform() < probability ? 1 : 0);
    return this.#inOrder(logits, toss).values;
  }

  /** Go through the bits, of which `settle(probability, i)` says what the later ones are given. */
  #inOrder(logits, settle) {
    const { links, centre } = this;
    const [probabilities, values, carried] = Array.from(
      { length: 3 },
      () => new Float32Array(logits.length),
    );
    for (let i = 0, row = 0; i < logits.length; row += i++) {
      let field = logits[i];
      if (links) for (let j = 0; j < i; j++) field += links[row + j] * carried[j];
      probabilities[i] = sigmoid(field);
      values[i] = settle(probabilities[i], i);
      carried[i] = 2 * (values[i] - (centre ? centre[i] : 0.5));
    }
    return { probabilities, values };
  }
}
