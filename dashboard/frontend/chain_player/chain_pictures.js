/** The pictures of the chain player: given, chains, mean, spread, and the pixel that is chosen. */

import { el, imageCanvas } from "../dom.js";
import { paintBytes, paintHeat, paintHidden } from "../pictures.js";
import { Moments } from "./recorded.js";

const STRIP = 15; // transitions that Rezende et al. (2014) show in their Figure 5
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export class ChainPictures {
  /** @param {function(number)} choose called with the pixel that was clicked or moved to. */
  constructor(choose) {
    this.choose = choose;
    this.row = el("div", { class: "pictures" });
    this.strip = el("div", { class: "strip" });
    this.chosen = 0;
    this.labels = [];
  }

  /** Build the elements for a recording; called when it is another one. */
  build(recorded, [height, width], top) {
    this.recorded = recorded;
    this.shape = [height, width];
    this.top = top;
    this.moments = new Moments(recorded);
    this.bytes = new Uint8Array(recorded.given.length);
    this.heat = new Float32Array(height * width);
    this.markers = [];
    const several = recorded.chains > 1;
    this.given = this.#figure("Given", "large", "The image given; hidden pixels are orange");
    this.chains = Array.from({ length: recorded.chains }, (_, chain) =>
      this.#figure(`Chain ${chain + 1}`, several ? "" : "large", `Chain ${chain + 1}`),
    );
    this.mean = this.#figure("Mean", "large", "Mean of the completions so far");
    this.spread = this.#figure(
      `Spread, 0 to ${top}`,
      "large",
      "Pixelwise spread of the completions",
    );
    this.spread.box.append(el("div", { class: "scale" }));
    this.#focusable(this.mean.frame);
    const group = el("div", { class: several ? "chains several" : "chains" });
    group.style.setProperty("--columns", Math.ceil(recorded.chains / (several ? 2 : 1)));
    group.append(...this.chains.map((figure) => figure.box));
    this.row.replaceChildren(this.given.box, group, this.mean.box, this.spread.box);
    paintHidden(this.given.canvas, recorded.given, recorded.isHidden);
    this.#buildStrip();
    this.mark(this.chosen);
  }

  #figure(title, size, label) {
    const [height, width] = this.shape;
    const canvas = imageCanvas(width, height, label);
    const marker = el("span", { class: "marker" });
    marker.style.width = `${100 / width}%`;
    marker.style.height = `${100 / height}%`;
    this.markers.push(marker);
    const frame = el("div", { class: "frame", onclick: (event) => this.#click(event) });
    frame.append(canvas, marker);
    const caption = el("div", { class: "caption" }, title);
    return { box: el("div", { class: `figure ${size}` }, frame, caption), canvas, frame, caption };
  }

  #click(event) {
    const [height, width] = this.shape;
    const box = event.currentTarget.getBoundingClientRect();
    const clip = (value, size) => Math.min(Math.max(Math.floor(value * size), 0), size - 1);
    const column = clip((event.clientX - box.left) / box.width, width);
    this.choose(clip((event.clientY - box.top) / box.height, height) * width + column);
  }

  #focusable(frame) {
    frame.tabIndex = 0;
    frame.setAttribute("role", "application");
    frame.setAttribute("aria-label", "Chosen pixel: the arrow keys move it");
    frame.addEventListener("keydown", (event) => {
      if (!(event.key in MOVES)) return;
      event.preventDefault();
      event.stopPropagation(); // arrows step the chains elsewhere
      const [height, width] = this.shape;
      const [down, right] = MOVES[event.key];
      const clip = (value, size) => Math.min(Math.max(value, 0), size - 1);
      const row = clip(Math.floor(this.chosen / width) + down, height);
      this.choose(row * width + clip((this.chosen % width) + right, width));
    });
  }

  /** Show which pixel is chosen. */
  mark(pixel) {
    this.chosen = pixel;
    const [height, width] = this.shape;
    for (const marker of this.markers) {
      marker.style.left = `${(100 * (pixel % width)) / width}%`;
      marker.style.top = `${(100 * Math.floor(pixel / width)) / height}%`;
    }
  }

  /** Paint a step. */
  draw(step, kind) {
    const { recorded, bytes, heat } = this;
    this.chains.forEach((figure, chain) => {
      paintBytes(figure.canvas, recorded.picture(kind, step, chain, bytes));
    });
    this.moments.moveTo(...recorded.window(step));
    paintBytes(this.mean.canvas, this.moments.mean(bytes));
    paintHeat(this.spread.canvas, this.moments.spread(this.top, heat));
    this.columns.forEach((column, at) => {
      column.classList.toggle("now", at === step);
    });
    if (recorded.classes.length) this.#likeness(step);
  }

  /** Under each chain the class that most of its neighbours have. */
  #likeness(step) {
    const { recorded } = this;
    this.chains.forEach(({ caption }, chain) => {
      const votes = recorded.votes(step, chain);
      const best = votes.indexOf(Math.max(...votes));
      const all = votes.reduce((a, b) => a + b, 0);
      const [name, share] = [recorded.classes[best], `${votes[best]}/${all}`];
      // Long names need the whole width.
      caption.textContent = `${chain + 1}: ${name.length > 3 ? name : `like ${name} (${share})`}`;
      caption.title = `${share} neighbours are of the class ${name}`;
    });
  }

  /** Share of hidden bits that the mean has wrong, or its root mean square error for greys. */
  error() {
    const { recorded } = this;
    const mean = this.moments.mean(this.bytes);
    let total = 0;
    for (const pixel of recorded.hidden) {
      const [a, b] = [mean[pixel], recorded.given[pixel]];
      total += recorded.density ? ((a - b) / 255) ** 2 : Number(a >= 128 !== b >= 128);
    }
    const share = total / recorded.hidden.length;
    return recorded.density ? Math.sqrt(share) : share;
  }

  #buildStrip() {
    const [height, width] = this.shape;
    const { chains } = this.recorded;
    this.columns = Array.from({ length: STRIP + 1 }, (_, step) => {
      const title = step ? String(step) : "Fill";
      const canvas = imageCanvas(width, chains * (height + 2) - 2, `All chains, step ${step}`);
      return el("div", { class: "figure" }, canvas, el("div", { class: "caption" }, title));
    });
    this.strip.replaceChildren(...this.columns);
  }

  /** Paint the first steps, as Figure 5 of Rezende et al. (2014) has them. */
  drawStrip(kind) {
    const [height, width] = this.shape;
    const { recorded } = this;
    this.columns.forEach((column, step) => {
      if (step >= recorded.length) return;
      const canvas = column.querySelector("canvas");
      const one = document.createElement("canvas");
      one.width = width;
      one.height = height;
      for (let chain = 0; chain < recorded.chains; chain++) {
        paintBytes(one, recorded.picture(kind, step, chain, this.bytes));
        canvas.getContext("2d").drawImage(one, 0, chain * (height + 2));
      }
    });
  }
}
