/** How probable the bits of a layer are under the prior, beside the prior's own draws. */

import { Random } from "../random.js";
import { bitScore } from "./meter.js";

const DRAWS = 200;

export class PriorScore {
  /** @param {Model} model with latents that are bits. */
  constructor(model) {
    this.model = model;
    this.kept = null;
  }

  /**
   * log p of a layer of z given the layer above it, in nats; see `bitScore`.
   *
   * Of linked bits each is given those before it, and what draws have is measured on some.
   */
  of(z, layer) {
    const { model } = this;
    const score = bitScore(model.layer(z, layer), model.layerPrior(z, layer));
    return model.hasPriorLinks ? { ...score, ...this.#measured(z, layer) } : score;
  }

  /** Mean and deviation over draws given the layer above: kept while that stays the same. */
  #measured(z, layer) {
    const { model } = this;
    const above = z.slice(model.starts[layer + 1], model.starts[layer + 2]);
    const { kept } = this;
    if (kept?.layer === layer && kept.above.every((bit, i) => bit === above[i])) return kept.found;
    const keep = model.layerSizes.map((_, index) => index !== layer);
    const random = new Random(1); // the same draws each time: the share moves with z alone
    let [sum, squares] = [0, 0];
    for (let draw = 0; draw < DRAWS; draw++) {
      const drawn = model.resample(z, keep, random);
      const { value } = bitScore(model.layer(drawn, layer), model.layerPrior(drawn, layer));
      sum += value / DRAWS;
      squares += value ** 2 / DRAWS;
    }
    const found = { mean: sum, deviation: Math.sqrt(Math.max(0, squares - sum ** 2)) };
    this.kept = { layer, above, found };
    return found;
  }
}
