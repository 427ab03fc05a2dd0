/** What lies inside an outline: how many of which class, their mean, and where it points. */

import { button, el, imageCanvas, paint } from "../dom.js";

const RECONSTRUCTED = 200; // images whose reconstructions are averaged

/** Whether a place lies inside a polygon: crossings of a ray to the right (even-odd rule). */
export function inside(polygon, x, y) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [[xi, yi], [xj, yj]] = [polygon[i], polygon[j]];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
  }
  return odd;
}

/** Indices of the points inside an outline, those of hidden classes left out. */
export function members(polygon, { xs, ys, classes, hidden }) {
  const across = polygon.map(([x]) => x);
  const up = polygon.map(([, y]) => y);
  const [left, right] = [Math.min(...across), Math.max(...across)];
  const [bottom, top] = [Math.min(...up), Math.max(...up)];
  const found = [];
  for (let i = 0; i < xs.length; i++) {
    if (xs[i] < left || xs[i] > right || ys[i] < bottom || ys[i] > top) continue;
    if (!hidden[classes[i]] && inside(polygon, xs[i], ys[i])) found.push(i);
  }
  return found;
}

/**
 * Mean code of some rows minus the mean code of all, or of the others.
 *
 * @param {function(number): Float32Array} codeOf the code of a row.
 * @param {number} count of all rows.
 * @param {number[]} chosen rows.
 * @param {boolean} rest whether the others are what is compared with, instead of all.
 */
export function attribute(codeOf, count, chosen, rest) {
  const size = codeOf(0).length;
  const [all, own] = [new Float64Array(size), new Float64Array(size)];
  for (let i = 0; i < count; i++) {
    const code = codeOf(i);
    for (let j = 0; j < size; j++) all[j] += code[j];
  }
  for (const i of chosen) {
    const code = codeOf(i);
    for (let j = 0; j < size; j++) own[j] += code[j];
  }
  const others = count - chosen.length;
  return Float32Array.from(own, (sum, j) => {
    const base = rest && others > 0 ? (all[j] - sum) / others : all[j] / count;
    return sum / chosen.length - base;
  });
}

/** How many of each class, the most frequent first: [class, count]. */
export function classMix(classes, chosen) {
  const counts = new Map();
  for (const i of chosen) counts.set(classes[i], (counts.get(classes[i]) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

export class Selection {
  /**
   * @param {number[]} shape of an image.
   * @param {object} on `image(i)`, `redrawn(i)`: bytes or null; `clear()`; `applied(strength,
   *   rest, keep)`: the attribute is added to the pin, and becomes one with `keep`.
   */
  constructor([height, width], on) {
    this.on = on;
    this.chosen = [];
    this.title = el("h2", { tabindex: "-1" }, "Selection");
    this.bars = el("div", { class: "bars" });
    this.mean = imageCanvas(width, height, "Mean of the selected images");
    this.redrawn = imageCanvas(width, height, "Mean of their reconstructions");
    this.changed = imageCanvas(width, height, "The pin with the attribute added");
    this.strength = el("input", {
      type: "range",
      min: "-2",
      max: "2",
      step: "0.05",
      value: "1",
      "aria-label": "Strength of the attribute",
      oninput: () => this.apply(),
    });
    this.value = el("output", {}, "1.00");
    this.base = el(
      "select",
      { "aria-label": "Compared with", onchange: () => this.apply() },
      el("option", { value: "all" }, "all images"),
      el("option", { value: "rest" }, "the rest"),
    );
    this.target = el("span", {});
    const figure = (canvas, text) => el("figure", {}, canvas, el("figcaption", {}, text));
    this.node = el(
      "section",
      { class: "selection stack", "aria-label": "Selection", hidden: true },
      el(
        "div",
        { class: "row" },
        this.title,
        button("Clear", () => this.on.clear()),
      ),
      this.bars,
      el(
        "div",
        { class: "figures" },
        figure(this.mean, "Mean image"),
        figure(this.redrawn, "Mean reconstruction"),
        figure(this.changed, "Pin + attribute"),
      ),
      el(
        "div",
        { class: "row" },
        el("label", {}, "Attribute: mean code of these − of "),
        this.base,
      ),
      el(
        "div",
        { class: "row" },
        this.strength,
        this.value,
        "×, added to ",
        this.target,
        button("Pin it", () => this.apply(true)),
      ),
    );
    this.blank = new Uint8Array(width * height);
    this.pending = 0;
  }

  clear() {
    this.chosen = [];
    this.node.hidden = true;
    cancelAnimationFrame(this.pending);
  }

  /** @param {object} legend `{names, colours}`: empty names where classes are not known. */
  show(chosen, classes, { names, colours }) {
    this.chosen = chosen;
    this.node.hidden = false;
    const count = chosen.length;
    this.title.textContent = `${count} image${count === 1 ? "" : "s"} selected`;
    const mix = names.length ? classMix(classes, chosen) : [];
    this.bars.replaceChildren(
      ...mix.map(([kind, own]) => {
        const bar = el("span", { class: "bar" });
        bar.style.width = `${(100 * own) / mix[0][1]}%`;
        bar.style.background = colours[kind % colours.length];
        const share = `${own} (${((100 * own) / count).toFixed(0)} %)`;
        const rail = el("span", { class: "rail", "aria-hidden": "true" }, bar);
        return el("div", { class: "mix" }, el("span", {}, names[kind]), rail, share);
      }),
    );
    this.average(this.mean, (i) => this.on.image(i), chosen);
    this.apply();
  }

  /** Mean of images, then of the reconstructions, a few milliseconds in each frame. */
  average(canvas, imageOf, chosen) {
    cancelAnimationFrame(this.pending);
    let total = this.blank;
    let [at, used] = [0, 0];
    const show = () => {
      paint(canvas, used ? Uint8Array.from(total, (sum) => Math.round(sum / used)) : total);
    };
    const more = () => {
      const end = performance.now() + 6;
      while (at < chosen.length && performance.now() < end) {
        const image = imageOf(chosen[at++]);
        if (!image) continue;
        if (!used) total = new Float64Array(image.length);
        const scale = image instanceof Uint8Array ? 1 : 255;
        for (let i = 0; i < total.length; i++) total[i] += image[i] * scale;
        used++;
      }
      if (at < chosen.length) this.pending = requestAnimationFrame(more);
      else {
        show();
        if (canvas === this.mean) {
          const some = chosen.slice(0, RECONSTRUCTED);
          this.average(this.redrawn, (i) => this.on.redrawn(i), some);
        }
      }
    };
    this.pending = requestAnimationFrame(more);
  }

  apply(keep = false) {
    if (!this.chosen.length) return;
    const strength = Number(this.strength.value);
    this.value.textContent = strength.toFixed(2).replace("-", "−");
    const result = this.on.applied(strength, this.base.value === "rest", keep);
    this.target.textContent = result.target;
    paint(this.changed, result.image);
  }
}
