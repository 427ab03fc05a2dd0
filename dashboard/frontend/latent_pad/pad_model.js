/** What the map is of: the points with their images and codes, the plane, and the model. */

import { Model } from "../model.js";
import { Random } from "../random.js";
import { linkedCode } from "./interpolation.js";
import { LatentPlane, toQuantile } from "./latent_plane.js";
import { nearestCode, nearestCodes } from "./meter.js";
import { HitGrid } from "./points.js";

const DRAWS = 12; // of the layers below a layer of bits, whose images are averaged
const FEW_DRAWS = 4; // the same for the many images of the manifold
const MOST_PLACES = 100_000; // as codes to compare with, where two latents are the whole code

export class PadModel {
  /** @param {{header: object, arrays: object}} message see dashboard/logic/latent_space/latent_map.py. */
  constructor({ header, arrays }) {
    this.header = header;
    this.count = header.count;
    this.layer = header.layer;
    this.coords = arrays.coords;
    this.classes = arrays.classes;
    this.positions = arrays.positions;
    this.hidden = new Uint8Array(256);
    this.width = header.shape.reduce((a, b) => a * b); // values of an image
    this.model = header.model ? new Model(header.model, arrays) : null;
    this.plane = null;
    if (this.model && header.has_plane) {
      const start = this.model.starts[this.layer];
      const bits = this.model.isBernoulli;
      this.plane = new LatentPlane({ ...arrays, start, bits });
    }
    this.details = null;
    this.latents = this.model ? this.model.layerSizes[this.layer] : 2;
    this.codes = new Float32Array(0);
    this.codeCount = 0;
    this.choose([0, 1], false);
    if (this.latents === 2 && header.has_plane) this.usePlaces();
  }

  /** Coordinates along one axis, in its own unit. */
  along(axis) {
    const { centre, step } = this.header;
    const out = new Float32Array(this.count);
    const from = axis * this.count;
    for (let i = 0; i < this.count; i++) out[i] = centre[axis] + this.coords[from + i] * step;
    return out;
  }

  /** Which axes are across and up, and whether as quantiles of the prior. */
  choose(axes, quantiles) {
    this.plane?.choose(...axes, quantiles);
    const [xs, ys] = axes.map((axis) => this.along(axis));
    this.xs = quantiles ? xs.map(toQuantile) : xs;
    this.ys = quantiles ? ys.map(toQuantile) : ys;
    this.grid = new HitGrid(this.xs, this.ys);
  }

  /** Centre and half the side of the square around all points; without points, of the prior. */
  square(quantiles) {
    if (quantiles) return [0.5, 0.5, 0.5];
    if (!this.grid.bounds) return [0, 0, 3];
    const [left, right, bottom, top] = this.grid.bounds;
    return [
      (left + right) / 2,
      (bottom + top) / 2,
      Math.max(right - left, top - bottom) * 0.54 || 1,
    ];
  }

  /** Two latents: the places are the codes. */
  usePlaces() {
    this.codeCount = Math.min(this.count, MOST_PLACES);
    this.codes = new Float32Array(2 * this.codeCount);
    const [xs, ys] = [this.along(0), this.along(1)];
    for (let i = 0; i < this.codeCount; i++) {
      this.codes[2 * i] = xs[i];
      this.codes[2 * i + 1] = ys[i];
    }
  }

  /** Take the images and codes that have come. */
  add(details) {
    this.details = details;
    if (details.codes) {
      this.codes = details.codes;
      this.codeCount = details.codeCount;
    }
  }

  /** The image of a point as bytes, null where there is none. */
  image(index) {
    return this.details?.image(index, this.width) ?? null;
  }

  get imageCount() {
    return this.details?.count ?? 0;
  }

  /** The mean code of all layers that the recognition model gives the image of a point, or null. */
  codeOfImage(index) {
    const image = this.image(index);
    if (!image || !this.model) return null;
    const cut = this.header.binarise;
    const x = Float32Array.from(image, (value) => (cut ? (value >= 128 ? 1 : 0) : value / 255));
    return linkedCode(this.model.recognise(x).mean);
  }

  /** The part of a code that the map is of, by row: of the rows that have one. */
  codeRow(index) {
    return this.codes.subarray(index * this.latents, (index + 1) * this.latents);
  }

  /** E[x | z] given the layers from the map's up. */
  decode(z, draws = DRAWS) {
    return this.model.decodeFrom(z, this.layer, new Random(1), draws);
  }

  redrawn(index) {
    const z = this.codeOfImage(index);
    return z && this.decode(z);
  }

  /** The code at a place of the map; without a plane, of the image nearest to it. */
  codeAt(x, y, held) {
    if (this.plane) return this.plane.lift(x, y, held ?? this.plane.mean);
    return this.codeOfImage(this.nearest(x, y));
  }

  /** The image at a place for the manifold; null beyond the quantiles. */
  tile(x, y, held) {
    if (!this.plane) return null;
    if (this.plane.quantiles && (x <= 0 || y <= 0 || x >= 1 || y >= 1)) return null;
    return this.decode(this.codeAt(x, y, held), FEW_DRAWS);
  }

  /** Where a pin is: by its code, or by its image. */
  locate({ z, image }) {
    if (this.plane) return this.plane.project(z);
    if (image >= 0) return [this.xs[image], this.ys[image]];
    const [near] = this.neighbours(z, -1, 1);
    return near === undefined ? null : [this.xs[near], this.ys[near]];
  }

  nearest(x, y) {
    return this.grid.nearest(x, y, this.classes, this.hidden);
  }

  nearestCode(z) {
    const own = this.model.layer(z, this.layer);
    return this.codeCount ? nearestCode(this.codes, own) : null;
  }

  neighbours(z, without, count) {
    return nearestCodes(this.codes, this.model.layer(z, this.layer), count, without);
  }

  label(index) {
    const { names } = this.header;
    return index >= 0 && names.length ? names[this.classes[index]] : "";
  }

  title(index) {
    if (index < 0) return "";
    const label = this.label(index);
    return `${label ? `${label} · ` : ""}image ${this.positions[index]}`;
  }

  /** The row of the image at a position in its split, or -1. */
  rowOf(position) {
    return position < 0 ? -1 : this.positions.indexOf(position);
  }
}
