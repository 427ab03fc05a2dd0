/** What the model draws at the crosshair, the nearest image, and how far off the place is. */

import { el, imageCanvas, paint } from "../dom.js";
import { norm } from "./interpolation.js";
import { toQuantile } from "./latent_plane.js";
import { chiShare } from "./meter.js";
import { PriorScore } from "./prior_score.js";

const number = (value, digits = 2) => value.toFixed(digits).replace("-", "−");
const percent = (share) => {
  if (share > 0.999) return "over 99.9 %";
  if (share < 0.001) return "under 0.1 %";
  return `${(100 * share).toFixed(share > 0.99 || share < 0.01 ? 1 : 0)} %`;
};

export class Inspector {
  constructor([height, width]) {
    const figure = (title) => {
      const canvas = imageCanvas(width, height, title);
      const caption = el("figcaption", {}, title);
      return { canvas, caption, node: el("figure", {}, canvas, caption) };
    };
    this.drawn = figure("Decoded here");
    this.near = figure("Nearest image");
    this.redrawn = figure("Its reconstruction");
    this.drawn.node.classList.add("large");
    this.place = el("div", { class: "place" });
    this.share = el("span", { class: "needle" });
    this.length = el("div", {});
    this.gap = el("div", { class: "two-lines" });
    this.note = el("div", { class: "caption" });
    this.node = el(
      "section",
      { class: "inspector", "aria-label": "At the crosshair" },
      el("div", { class: "figures" }, this.drawn.node, this.near.node, this.redrawn.node),
      el(
        "div",
        { class: "meter" },
        this.place,
        this.length,
        el("div", { class: "gauge", "aria-hidden": "true" }, this.share),
        this.gap,
        this.note,
      ),
    );
    this.empty = new Uint8Array(width * height);
  }

  /** @param {?(Float32Array|Uint8Array)} image none: an empty picture. */
  showDecoded(image) {
    paint(this.drawn.canvas, image ?? this.empty);
  }

  /** The nearest image, what it is, and how the model redraws it; nulls where it was not sent. */
  showNearest(image, redrawn, title) {
    paint(this.near.canvas, image ?? this.empty);
    paint(this.redrawn.canvas, redrawn ?? this.empty);
    this.near.caption.textContent = title;
    this.near.canvas.setAttribute("aria-label", title);
  }

  /** How a code lies under the prior of its layer; returns what it says. */
  showPrior(model, z, layer) {
    const own = model.layer(z, layer);
    let share;
    if (model.isBernoulli) {
      if (this.prior?.model !== model) this.prior = new PriorScore(model);
      const score = this.prior.of(z, layer);
      share = toQuantile((score.value - score.mean) / (score.deviation || 1));
      const given = layer === model.layerSizes.length - 1 ? "log p(z)" : "log p(z | layer above)";
      this.length.textContent =
        `${given} = ${number(score.value, 1)} nats on average, ` +
        `more than ${percent(share)} of the prior’s draws`;
    } else {
      const length = norm(own);
      share = chiShare(length, own.length);
      this.length.textContent = `‖z‖ = ${number(length)}: ${percent(share)} of the prior lies nearer to 0`;
    }
    this.share.style.left = `${(100 * share).toFixed(1)}%`;
    return this.length.textContent;
  }

  /** @param {?{distance: number, usual: number, words: string, label: string}} nearest */
  showGap(nearest) {
    if (!nearest) this.gap.textContent = "No image is on the map.";
    else {
      const { distance, usual, words, label, digits } = nearest;
      const times = usual > 0 ? ` (${number(distance / usual, 1)} × the usual gap)` : "";
      this.gap.textContent = `${number(distance, digits)} from ${words}${times}${label}`;
    }
    return this.gap.textContent;
  }

  showPlace(x, y, titles, digits) {
    const [across, up] = [x, y].map((value) => number(value, digits));
    this.place.textContent = `${titles[0]} ${across} · ${titles[1]} ${up}`;
    return this.place.textContent;
  }
}
