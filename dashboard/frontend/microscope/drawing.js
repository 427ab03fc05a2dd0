/** The image under the microscope as a surface to draw on, with its tools. */

import { Brush } from "../brush.js";
import { button, el, imageCanvas, paint } from "../dom.js";

const SIZES = [1, 2, 3, 5];
const WHITE = "#ffffff";

/** An image as text: bits, eight to a byte, or bytes; as dashboard/logic/recognition/recognition.py reads it. */
function encodeImage(x, isBits) {
  const bytes = new Uint8Array(isBits ? Math.ceil(x.length / 8) : x.length);
  for (let i = 0; i < x.length; i++) {
    if (!isBits) bytes[i] = Math.round(x[i] * 255);
    else if (x[i] >= 0.5) bytes[i >> 3] |= 128 >> (i & 7);
  }
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export class Drawing {
  /**
   * @param {{shape: number[], isBits: boolean,
   *   changed: function(boolean), say: function(string)}} options height, width and, in colour, 3;
   *   `changed` is called with whether the stroke is finished, `say` with words for who listens
   *   instead of looking.
   */
  constructor({ shape, isBits, changed, say }) {
    Object.assign(this, { isBits, changed, say });
    const [height, width, depth = 1] = shape;
    Object.assign(this, { height, width, depth });
    this.x = new Float32Array(height * width * depth);
    this.item = null; // the test image, where there is one
    this.start = new Float32Array(this.x.length); // what the image began from
    this.startName = "image";
    this.ink = [1, 1, 1].slice(0, depth); // value of the brush in each channel
    this.erasing = false;
    this.pixels = imageCanvas(width, height, "Image x");
    this.pixels.setAttribute("aria-hidden", "true");
    this.ring = el("div", { class: "ring", hidden: true });
    this.surface = el(
      "div",
      {
        class: "surface",
        style: `aspect-ratio: ${width} / ${height}; --shape: ${width / height}`,
        role: "application",
        "aria-label": `Image of ${height} by ${width} pixels to draw on`,
        "aria-describedby": "keys",
      },
      this.pixels,
      this.ring,
    );
    this.brush = new Brush(this.surface, {
      width,
      height,
      depth,
      size: 2,
      values: () => this.x,
      ink: (before, coverage, eraser, at) => this.#inked(before, coverage, eraser, at),
      changed: (finished) => this.#changed(finished),
      pointed: () => this.#point(),
    });
    this.surface.addEventListener("keydown", (event) => {
      if (event.key === "e") this.#use(!this.erasing);
      else if (event.key === "+") this.#size(1);
      else if (event.key === "-") this.#size(-1);
    });
    this.node = el(
      "figure",
      { class: "panel drawing" },
      el("figcaption", {}, "Image x: draw here"),
      this.surface,
      this.#tools(),
      el(
        "p",
        { class: "caption keys", id: "keys" },
        "Keys: arrows move, Space draws (hold it for a line), E changes the tool, + and − the " +
          "brush, Ctrl+Z undoes.",
      ),
    );
  }

  /** Whether a stroke is under way. */
  get busy() {
    return this.brush.drawing;
  }

  get text() {
    return encodeImage(this.x, this.isBits);
  }

  /**
   * Another image from the server.
   *
   * @param {Uint8Array} image as it is to be shown.
   * @param {?Uint8Array} item the test image.
   * @param {string} startName "image" or "blank".
   */
  open(image, item, startName) {
    this.item = item && Float32Array.from(item, (byte) => byte / 255);
    this.#begin(startName);
    this.x.set(Float32Array.from(image, (byte) => byte / 255));
    this.itemButton.disabled = !item;
    this.brush.forget();
    this.#offer();
  }

  paint() {
    paint(this.pixels, this.x);
  }

  destroy() {
    this.brush.destroy();
  }

  #tools() {
    this.inkButton = button("Draw", () => this.#use(false), { "aria-pressed": "true" });
    this.eraseButton = button(this.isBits ? "Erase" : "Restore", () => this.#use(true), {
      "aria-pressed": "false",
    });
    this.sizes = el(
      "select",
      {
        "aria-label": "Brush size in pixels",
        onchange: () => {
          this.brush.size = Number(this.sizes.value);
          this.#point();
        },
      },
      ...SIZES.map((size) =>
        el("option", { value: size, selected: size === 2 }, `${size} px brush`),
      ),
    );
    this.undo = button("Undo", () => this.brush.undo(), { disabled: true });
    this.redo = button("Redo", () => this.brush.redo(), { disabled: true });
    this.itemButton = button("Test image", () => this.#restart("image"));
    const blank = button("Blank", () => this.#restart("blank"));
    const tools = el("div", { class: "row", role: "group", "aria-label": "Tools" });
    tools.append(this.inkButton, this.eraseButton, this.sizes);
    if (!this.isBits) tools.append(this.depth > 1 ? this.#colourField() : this.#toneSlider());
    const others = el("div", { class: "row", role: "group", "aria-label": "Image" });
    others.append(this.undo, this.redo, this.itemButton, blank);
    return el("div", { class: "stack" }, tools, others);
  }

  #toneSlider() {
    const tone = el("input", {
      type: "range",
      min: 0,
      max: 1,
      step: 0.05,
      value: 1,
      "aria-label": "Grey value of the brush, from black to white",
      oninput: () => {
        this.ink.fill(Number(tone.value));
      },
    });
    return el("label", { class: "row" }, "Black", tone, "White");
  }

  #colourField() {
    const field = el("input", {
      type: "color",
      value: WHITE,
      oninput: () => {
        this.ink = [1, 3, 5].map((at) => parseInt(field.value.slice(at, at + 2), 16) / 255);
      },
    });
    return el("label", { class: "row" }, "Colour of the brush", field);
  }

  #inked(before, coverage, eraser, at) {
    const erase = eraser || this.erasing;
    if (this.isBits) return coverage >= 0.5 ? Number(!erase) : before;
    const goal = erase ? this.start[at] : this.ink[at % this.depth];
    // whole steps of a byte: what is drawn is then exactly what is sent and linked
    return Math.round((before + coverage * (goal - before)) * 255) / 255;
  }

  #use(erasing) {
    this.erasing = erasing;
    this.inkButton.setAttribute("aria-pressed", String(!erasing));
    this.eraseButton.setAttribute("aria-pressed", String(erasing));
    this.say(erasing ? this.eraseButton.textContent : "Draw");
  }

  #size(step) {
    const at = SIZES.indexOf(this.brush.size) + step;
    this.brush.size = SIZES[Math.min(Math.max(at, 0), SIZES.length - 1)];
    this.sizes.value = String(this.brush.size);
    this.#point();
  }

  #restart(name) {
    this.brush.mark();
    this.#begin(name);
    this.x.set(this.start);
    this.#changed(true);
  }

  #begin(name) {
    this.startName = name;
    if (name === "blank" || !this.item) this.start.fill(0);
    else this.start.set(this.item);
  }

  #offer() {
    this.undo.disabled = !this.brush.canUndo;
    this.redo.disabled = !this.brush.canRedo;
  }

  #changed(finished) {
    this.#offer();
    this.changed(finished);
  }

  /** Show where the brush is and how large. */
  #point() {
    const { place, size } = this.brush;
    this.ring.hidden = !place;
    if (!place) return;
    const side = (100 * size) / this.width;
    this.ring.style.width = `${side}%`;
    this.ring.style.left = `${(100 * place.x) / this.width - side / 2}%`;
    this.ring.style.top = `calc(${(100 * place.y) / this.height}% - ${side / 2}cqw)`;
    if (place.keys) {
      this.say(`row ${Math.floor(place.y) + 1}, column ${Math.floor(place.x) + 1}`);
    }
  }
}
