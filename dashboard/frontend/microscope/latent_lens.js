/** q(z|x), q* and the true posterior on the plane of the latents: a map, and a lens that follows. */

import { button, el, rgb, theme } from "../dom.js";
import { contour, Plane, tintOf } from "./plane.js";

const MAP_MARGIN = 1.08;
const LENS_MARGIN = 1.8; // how much wider the lens is than what it shows
const INSIDE = 0.48; // of the lens's width, from its middle: beyond, it moves

/** [left, right, bottom, top] of the ellipse of two standard deviations. */
function boxOf({ x, y, covariance: [xx, , yy] }) {
  const [dx, dy] = [2 * Math.sqrt(xx), 2 * Math.sqrt(yy)];
  return [x - dx, x + dx, y - dy, y + dy];
}

export class LatentLens {
  /**
   * @param {object} header of the microscope's message.
   * @param {object} arrays of that message.
   * @param {Model} model with Gaussian latents.
   * @param {function} redraw asks for another frame.
   */
  constructor(header, arrays, model, redraw) {
    Object.assign(this, { header, model, redraw });
    const size = model.latentDim;
    this.origin = arrays["plane.origin"];
    this.axes = [0, 1].map((i) => arrays["plane.axes"].subarray(i * size, (i + 1) * size));
    this.classLabels = arrays.classes ?? null;
    const [left, right, bottom, top] = header.limits;
    this.whole = [
      (left + right) / 2,
      (bottom + top) / 2,
      Math.max(right - left, top - bottom) * MAP_MARGIN,
    ];
    this.q = null;
    this.posterior = null;
    this.local = null;
    this.zoom = 1;
    this.fitted = null;
    this.nodes = this.#build({ points: arrays.points, classes: this.classLabels });
  }

  #build(codes) {
    const canvas = (label) => el("canvas", { class: "map", role: "img", "aria-label": label });
    const [map, lens] = [canvas("Map of the latents with q(z|x)"), canvas("Lens around q(z|x)")];
    this.map = new Plane(map, codes);
    this.lens = new Plane(lens, codes);
    const axes = ` ${this.header.axis_names.join(", ")}`;
    const title = (words) => el("figcaption", {}, words, el("span", { class: "caption" }, axes));
    this.classes = el("div", { class: "row classes" });
    const below = el("div", { class: "row" });
    if (this.header.class_names.length) {
      const colour = button(
        "Classes",
        () => {
          const on = colour.getAttribute("aria-pressed") !== "true";
          colour.setAttribute("aria-pressed", String(on));
          this.#colour(on);
          this.redraw();
        },
        { "aria-pressed": "true" },
      );
      below.append(colour, this.classes);
    }
    this.#colour(true);
    const zoom = (factor) => () => {
      this.zoom = Math.min(Math.max(this.zoom * factor, 1 / 64), 8);
      this.redraw();
    };
    const zooms = el(
      "div",
      { class: "row", role: "group", "aria-label": "Lens" },
      button("Closer", zoom(0.5)),
      button("Wider", zoom(2)),
      button("Follow", () => {
        this.zoom = 1;
        this.fitted = null;
        this.redraw();
      }),
    );
    return [
      el("figure", { class: "panel whole" }, title("Map"), map, below),
      el("figure", { class: "panel" }, title("Lens"), lens, zooms),
    ];
  }

  #colour(on) {
    const { class_names: names, class_colours: colours } = this.header;
    const shown = on && names.length && this.classLabels;
    for (const plane of [this.map, this.lens]) plane.colours = shown ? colours : null;
    this.classes.replaceChildren(
      ...(shown
        ? names.map((name, i) =>
            el("span", { class: "key" }, el("i", { style: `background: ${colours[i]}` }), name),
          )
        : []),
    );
  }

  /** Take what the server found about an image. */
  hear(header, arrays) {
    this.local = header.local ?? null;
    this.posterior = null;
    if (header.normal) this.posterior = { normal: header.normal };
    if (!header.grid) return;
    const { columns, rows, box, inner, levels } = header.grid;
    const values = arrays.log_density;
    const colour = rgb(theme(this.map.canvas.getRootNode()).series[2].trim());
    this.posterior = {
      density: {
        ...{ box, inner, columns, rows },
        tint: tintOf(values, columns, rows, colour),
        lines: levels.map((level) => contour(values, columns, rows, level)),
      },
    };
  }

  /**
   * @param {object} q from `recognise`.
   * @param {Float32Array[]} codes draws from it.
   * @param {boolean} stale whether what the server found is of the image before this stroke.
   */
  draw(q, codes, stale) {
    const [x, y] = this.#project(q.mean);
    this.q = { x, y, covariance: this.model.planeCovariance(q, this.axes) };
    this.#aim(stale);
    this.map.look(...this.whole);
    const places = codes.map((z) => this.#project(z));
    const { density, normal } = this.posterior ?? {};
    const opacity = stale ? 0.3 : 1;
    for (const plane of [this.map, this.lens]) {
      if (!plane.begin()) continue;
      const [own, best, exact] = plane.theme.series.map((colour) => colour.trim());
      const near = plane === this.lens;
      if (density) plane.density(density, exact, opacity);
      if (normal) plane.normal(normal, exact, { fill: 0.14, width: 2.5, opacity });
      if (near) plane.dots(places, plane.theme.text, 3);
      if (this.local) plane.normal(this.local, best, { dash: [7, 5], opacity });
      plane.normal(this.q, own, { fill: near ? 0.12 : 0.3 });
      plane.dots([[x, y]], own, near ? 4 : 2.5);
      if (!near) plane.frame(this.lens.view, plane.theme.text);
    }
  }

  #project(z) {
    return this.axes.map((axis) => {
      let total = 0;
      for (let i = 0; i < axis.length; i++) total += axis[i] * (z[i] - this.origin[i]);
      return total;
    });
  }

  /** What the lens has to show: q, and the other ellipses if they are of this very image. */
  #bounds(stale) {
    const boxes = [boxOf(this.q)];
    if (!stale) {
      const { density, normal } = this.posterior ?? {};
      if (density) boxes.push(density.inner);
      if (normal) boxes.push(boxOf(normal));
      if (this.local) boxes.push(boxOf(this.local));
    }
    const [left, bottom] = [0, 2].map((side) => Math.min(...boxes.map((box) => box[side])));
    const [right, top] = [1, 3].map((side) => Math.max(...boxes.map((box) => box[side])));
    return {
      x: (left + right) / 2,
      y: (bottom + top) / 2,
      half: Math.max(right - left, top - bottom, 1e-6) / 2,
    };
  }

  /** The lens stays where it is until what it shows would leave it, or has become small in it. */
  #aim(stale) {
    const { x, y, half } = this.#bounds(stale);
    const span = 2 * half * LENS_MARGIN;
    let fitted = this.fitted;
    const away = fitted && Math.max(Math.abs(x - fitted.x), Math.abs(y - fitted.y));
    if (!fitted || away + half > INSIDE * fitted.span || span * 3 < fitted.span) {
      fitted = { x, y, span };
      this.fitted = fitted;
    }
    this.lens.look(fitted.x, fitted.y, fitted.span * this.zoom);
  }

  /** What is drawn, in words. */
  words() {
    const signed = (value, digits) => value.toFixed(digits).replace("-", "−");
    const { x, y, covariance } = this.q;
    const [dx, dy] = [Math.sqrt(covariance[0]), Math.sqrt(covariance[2])];
    const [first, second] = this.header.short_names;
    const correlation = dx * dy > 0 ? covariance[1] / (dx * dy) : 0;
    return (
      `q(z|x): ${first} = ${signed(x, 3)} ± ${dx.toFixed(3)}, ` +
      `${second} = ${signed(y, 3)} ± ${dy.toFixed(3)}, correlation ${signed(correlation, 2)}`
    );
  }
}
