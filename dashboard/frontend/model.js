/**
 * The forward passes of the models with latents, from one description: VAE, DLGM, and the belief
 * networks SBN, fDARN and DARN.
 *
 * The description and the weights come from dashboard/weights.py; names and conventions are those
 * of engine/models. A code z is one Float32Array with the layers side by side, layer 1 (next to
 * the image) first; for the DLGM z is the noise xi, for belief networks it holds bits.
 */

import { Bits, signs } from "./bits.js";
import { build, run, sigmoid } from "./network.js";

export class Model {
  /**
   * @param {object} spec `header.model` of a message.
   * @param {Object<string, Float32Array>} arrays the message's arrays.
   */
  constructor(spec, arrays) {
    this.layerSizes = spec.layer_sizes;
    this.latentDim = spec.layer_sizes.reduce((a, b) => a + b, 0);
    this.dataDim = spec.data_dim;
    this.isBernoulli = spec.latent_kind === "bernoulli";
    this.isDensity = spec.likelihood_kind === "gaussian";
    this.dataMean = arrays.data_mean;
    this.priorLogits = arrays.prior_logits ?? null;
    const network = (layers) => build(layers, arrays);
    const list = (networks) => (networks ?? []).map(network);
    this.decoder = network(spec.decoder);
    this.transforms = list(spec.transforms);
    this.factors = list(spec.factors);
    this.encoder = spec.encoder ? network(spec.encoder) : null;
    this.heads = list(spec.heads);
    this.factorHeads = list(spec.factor_heads);
    this.recognisers = list(spec.recognisers);
    const linked = (names) => this.layerSizes.map((_, i) => new Bits(arrays[names?.[i]] ?? null));
    this.priorBits = linked(spec.prior_links);
    this.recognitionBits = linked(spec.recognition_links);
    this.hasPriorLinks = Boolean(spec.prior_links);
    this.hasRecognitionLinks = Boolean(spec.recognition_links?.length);
    this.hasPixelLinks = Boolean(spec.pixel_links);
    this.pixelBits = new Bits(arrays[spec.pixel_links] ?? null, this.dataMean);
    this.starts = [0];
    for (const size of this.layerSizes) this.starts.push(this.starts.at(-1) + size);
  }

  /** The part of z that belongs to a layer, a view. */
  layer(z, index) {
    return z.subarray(this.starts[index], this.starts[index + 1]);
  }

  /**
   * E[x | z], `(data,)` in [0, 1]; of linked pixels each at the means of those before it.
   *
   * @param {Float32Array} z all layers. Of bits only layer 1 counts: bits, or probabilities.
   */
  decode(z) {
    const output = this.#output(z);
    return this.isDensity ? output.map(sigmoid) : this.pixelBits.mean(output);
  }

  /** One draw of p(x | z) where the pixels are bits. */
  drawPixels(z, random) {
    return this.pixelBits.draw(this.#output(z), random);
  }

  /** The logits of the pixels, of Gaussian ones of their means, `(data,)`. */
  #output(z) {
    let states = this.layer(z, 0);
    if (this.factors.length) {
      const deepest = this.layerSizes.length - 1;
      states = run(this.factors[deepest], this.layer(z, deepest));
      for (let index = deepest - 1; index >= 0; index--) {
        const noise = run(this.factors[index], this.layer(z, index));
        states = run(this.transforms[index], states).map((mean, i) => mean + noise[i]);
      }
    }
    return run(this.decoder, this.isBernoulli ? signs(states) : states);
  }

  /**
   * The recognition model at an image.
   *
   * @param {Float32Array} x `(data,)` in [0, 1].
   * @returns {{mean: Float32Array, scale: ?Float32Array, factor: ?Float32Array}} Gaussian latents:
   *   mean, diagonal part of the precision as `scale` = precision^(-1/2), and the vector u of
   *   a precision scale^-2 + u u' (null if diagonal). Bits: `mean` holds mean-field
   *   probabilities, each layer at the mean of the one below, and linked bits at the means of
   *   those before them; the others are null.
   */
  recognise(x) {
    if (this.isBernoulli) {
      const bits = this.#climb(x, (layer, logits) => layer.mean(logits));
      return { mean: bits, scale: null, factor: null };
    }
    const centred = this.#centred(x);
    const mean = new Float32Array(this.latentDim);
    const features = run(this.encoder, centred);
    const scale = new Float32Array(this.latentDim);
    const factor = this.factorHeads.length ? new Float32Array(this.latentDim) : null;
    this.layerSizes.forEach((size, index) => {
      const output = this.heads.length ? run(this.heads[index], features) : features;
      mean.set(output.subarray(0, size), this.starts[index]);
      scale.set(output.subarray(size, 2 * size).map(Math.exp), this.starts[index]);
      if (factor) factor.set(run(this.factorHeads[index], features), this.starts[index]);
    });
    return { mean, scale, factor };
  }

  /** One draw of q(z | x); bits are drawn layer by layer, each given the draw below. */
  drawRecognition(x, random) {
    if (!this.isBernoulli) return this.drawGaussian(this.recognise(x), random);
    return this.#climb(x, (layer, logits) => layer.draw(logits, random));
  }

  #centred(x) {
    return x.map((value, i) => value - this.dataMean[i]);
  }

  /** The layers of bits from the image up: `settle` makes values of each from its logits. */
  #climb(x, settle) {
    const z = new Float32Array(this.latentDim);
    let below = this.#centred(x);
    this.recognisers.forEach((network, index) => {
      const logits = run(network, index ? signs(below) : below);
      below = settle(this.recognitionBits[index], logits);
      z.set(below, this.starts[index]);
    });
    return z;
  }

  /** One draw of the Gaussian that `recognise` returns, layer by layer. */
  drawGaussian(q, random) {
    const z = new Float32Array(this.latentDim);
    this.layerSizes.forEach((size, index) => {
      const start = this.starts[index];
      // As engine.distributions.RankOneNormal: e = scale * noise, then e - s scale^2 u (u' e).
      let eta = 0;
      if (q.factor) {
        for (let i = start; i < start + size; i++) eta += (q.factor[i] * q.scale[i]) ** 2;
      }
      let dot = 0;
      for (let i = start; i < start + size; i++) {
        z[i] = q.scale[i] * random.normal();
        if (q.factor) dot += q.factor[i] * z[i];
      }
      const root = Math.sqrt(1 + eta);
      const shrink = 1 / (root * (root + 1));
      for (let i = start; i < start + size; i++) {
        if (q.factor) z[i] -= shrink * q.scale[i] ** 2 * q.factor[i] * dot;
        z[i] += q.mean[i];
      }
    });
    return z;
  }

  /** One draw of p(z). */
  drawPrior(random) {
    const none = this.layerSizes.map(() => false);
    return this.resample(new Float32Array(this.latentDim), none, random);
  }

  /** z with the layers that are not kept drawn again from the prior, given the ones above. */
  resample(z, keep, random) {
    const fresh = Float32Array.from(z);
    for (let index = this.layerSizes.length - 1; index >= 0; index--) {
      if (keep[index]) continue;
      const own = this.layer(fresh, index);
      if (this.isBernoulli) own.set(this.priorBits[index].draw(this.#above(fresh, index), random));
      else for (let i = 0; i < own.length; i++) own[i] = random.normal();
    }
    return fresh;
  }

  /**
   * Probabilities of the bits of a layer given the layer above it in z, `(layer,)`; where they are
   * linked, each given those before it in z as well.
   */
  layerPrior(z, index) {
    return this.priorBits[index].given(this.#above(z, index), this.layer(z, index));
  }

  /** The logits that a layer of bits has from the one above it in z. */
  #above(z, index) {
    if (index === this.layerSizes.length - 1) return this.priorLogits;
    return run(this.transforms[index], signs(this.layer(z, index + 1)));
  }

  /**
   * E[x | the layers from `index` up], `(data,)`: bits of the layers below are drawn and their
   * images averaged; Gaussian layers below keep the noise that z has.
   */
  decodeFrom(z, index, random, draws = 12) {
    if (!this.isBernoulli || index === 0) return this.decode(z);
    const keep = this.layerSizes.map((_, layer) => layer >= index);
    const total = new Float32Array(this.dataDim);
    for (let draw = 0; draw < draws; draw++) {
      const image = this.decode(this.resample(z, keep, random));
      for (let i = 0; i < total.length; i++) total[i] += image[i] / draws;
    }
    return total;
  }

  /**
   * Covariance of q on a plane, `[xx, xy, yy]`.
   *
   * @param {object} q from `recognise`; for bits the covariance of independent bits.
   * @param {Float32Array[]} axes two vectors over all latents.
   */
  planeCovariance(q, axes) {
    const project = (a, b) => {
      let total = 0;
      this.layerSizes.forEach((size, index) => {
        let [plain, left, right, eta] = [0, 0, 0, 0];
        for (let i = this.starts[index]; i < this.starts[index] + size; i++) {
          const variance = q.scale ? q.scale[i] ** 2 : q.mean[i] * (1 - q.mean[i]);
          plain += a[i] * variance * b[i];
          if (!q.factor) continue;
          left += a[i] * variance * q.factor[i];
          right += b[i] * variance * q.factor[i];
          eta += q.factor[i] ** 2 * variance;
        }
        total += plain - (left * right) / (1 + eta);
      });
      return total;
    };
    return [project(axes[0], axes[0]), project(axes[0], axes[1]), project(axes[1], axes[1])];
  }
}
