/** Paint what is hidden on the image itself; the mask is reported when a stroke ends. */

import { unpack } from "../blob.js";
import { Brush } from "../brush.js";
import { button, debounced, eachFrame, el, imageCanvas, keep } from "../dom.js";
import { paintHidden } from "../pictures.js";
import { halfMask, randomMask, squareMask, toText } from "./masks.js";

const SIZES = [1, 3, 5, 9]; // pixels
const SHINE = 0.35; // how much of a hidden pixel is seen through the orange
const HALVES = ["top", "bottom", "left", "right"];
const KEYS =
  "Arrow keys move the cursor, with Shift by four; Space paints, also while moving; Control Z undoes.";

class MaskBrush {
  constructor({ parentElement, data }) {
    const { header } = unpack(data);
    [this.height, this.width] = header.shape;
    this.mask = new Uint8Array(this.height * this.width);
    this.seed = 0;
    this.hides = true;
    this.token = null;
    this.paint = eachFrame(() => this.#paint());
    this.report = debounced(() => this.#report(), 30);
    this.speak = debounced(() => {
      this.live.textContent = this.share.textContent;
    }, 500);
    parentElement.append(this.#build());
    this.brush = new Brush(this.surface, {
      width: this.width,
      height: this.height,
      size: SIZES[1],
      values: () => this.mask,
      ink: (before, coverage, eraser) => (coverage >= 0.5 ? Number(this.hides !== eraser) : before),
      changed: (finished) => {
        this.paint();
        if (finished) this.#finished();
      },
      pointed: () => this.#cursor(),
    });
  }

  #build() {
    this.canvas = imageCanvas(this.width, this.height, "The image; what is orange is hidden");
    this.cursor = el("span", { class: "cursor", hidden: true });
    this.surface = el(
      "div",
      {
        class: "surface",
        role: "application",
        "aria-label": `Mask on the image. ${KEYS}`,
      },
      this.canvas,
      this.cursor,
    );
    this.share = el("div", { class: "share" });
    this.live = el("div", { class: "unseen", "aria-live": "polite" });
    this.modes = [
      button("Hide", () => this.#mode(true), { title: "Paint over what the chains fill in" }),
      button("Un-hide", () => this.#mode(false), { title: "Erase: give pixels back" }),
    ];
    this.sizes = SIZES.map((size) => button(String(size), () => this.#size(size)));
    this.undo = button("Undo", () => this.brush.undo());
    this.redo = button("Redo", () => this.brush.redo());
    const { height, width } = this;
    const random = (share) => () => randomMask(height, width, share, this.#nextSeed());
    this.seedInput = el("input", {
      type: "number",
      min: 0,
      max: 999999,
      value: 0,
      "aria-label": "Seed of the random pixels",
    });
    const preset = (name, make) => button(name, () => this.#apply(make()));
    const presets = [
      preset("60 %", random(0.6)),
      preset("80 %", random(0.8)),
      preset("Square", () => squareMask(height, width, 14)),
      ...HALVES.map((side) =>
        preset(side[0].toUpperCase() + side.slice(1), () => halfMask(height, width, side)),
      ),
      preset("All", () => new Uint8Array(height * width).fill(1)),
      preset("None", () => new Uint8Array(height * width)),
      preset("Invert", () => this.mask.map((bit) => 1 - bit)),
    ];
    const group = (label, ...nodes) =>
      el(
        "div",
        { class: "row group", role: "group", "aria-label": label },
        el("span", { class: "label" }, label),
        ...nodes,
      );
    return el(
      "section",
      { class: "brush", "aria-label": "Mask brush" },
      this.surface,
      el(
        "div",
        { class: "stack tools" },
        this.share,
        group("Brush", ...this.modes),
        group("Size", ...this.sizes),
        group("Mask", ...presets),
        group("", this.undo, this.redo),
        group("Seed", this.seedInput, el("span", { class: "caption" }, "of the random pixels")),
        this.live,
      ),
    );
  }

  #nextSeed() {
    const now = Number(this.seedInput.value);
    const seed = Number.isInteger(now) && now >= 0 ? now : 0;
    this.seedInput.value = (seed + 1) % 1000000; // the next press draws others
    return seed;
  }

  #mode(hides) {
    this.hides = hides;
    this.#tools();
  }

  #size(size) {
    this.brush.size = size;
    this.#tools();
    this.#cursor();
  }

  #apply(mask) {
    this.brush.mark();
    this.mask.set(mask);
    this.#finished();
  }

  #finished() {
    this.#paint();
    this.report();
    this.speak();
  }

  update({ data, setStateValue }) {
    this.setStateValue = setStateValue;
    const { header, arrays } = unpack(data);
    this.image = arrays.image.slice();
    // Our own reports come back as well: only a mask that the page sets is taken over.
    if (header.token !== this.token) {
      if (this.token !== null) this.brush.mark();
      this.token = header.token;
      this.mask.set(arrays.mask);
    }
    this.#paint();
  }

  #paint() {
    paintHidden(this.canvas, this.image, this.mask, SHINE);
    const hidden = this.mask.reduce((sum, bit) => sum + bit, 0);
    const share = Math.round((100 * hidden) / this.mask.length);
    this.share.textContent = `${hidden} of ${this.mask.length} pixels hidden (${share} %)`;
    this.#tools();
  }

  #tools() {
    this.modes.forEach((node, at) => {
      node.setAttribute("aria-pressed", String((at === 0) === this.hides));
    });
    this.sizes.forEach((node, at) => {
      node.setAttribute("aria-pressed", String(SIZES[at] === this.brush.size));
    });
    this.undo.disabled = !this.brush.canUndo;
    this.redo.disabled = !this.brush.canRedo;
  }

  #cursor() {
    const { place, size } = this.brush;
    this.cursor.hidden = place === null;
    if (!place) return;
    const { style } = this.cursor;
    style.left = `${(100 * (place.x - size / 2)) / this.width}%`;
    style.top = `${(100 * (place.y - size / 2)) / this.height}%`;
    style.width = `${(100 * size) / this.width}%`;
    style.height = `${(100 * size) / this.height}%`;
  }

  #report() {
    this.setStateValue("mask", { token: this.token, bits: toText(this.mask) });
  }

  destroy() {
    this.paint.cancel();
    this.report.cancel();
    this.speak.cancel();
    this.brush.destroy();
  }
}

export default function (component) {
  return keep(component, (first) => new MaskBrush(first));
}
