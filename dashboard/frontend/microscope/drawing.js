/** The image under the microscope as a surface to draw on, with its tools. */

import { Brush } from "../brush.js";
import { button, el } from "../dom.js";
import { Still } from "./still.js";

const SIZES = [1, 2, 3, 5];

export class Drawing extends Still {
  /**
   * @param {{shape: number[], isBits: boolean,
   *   changed: function(boolean), say: function(string)}} options of a grey image; `changed` is
   *   called with whether the stroke is finished, `say` with words for who listens instead of
   *   looking.
   */
  constructor({ shape, isBits, changed, say }) {
    super({ shape, isBits });
    Object.assign(this, { changed, say });
    const { width, height } = this;
    this.tone = 1;
    this.erasing = false;
    this.pixels.setAttribute("aria-hidden", "true");
    this.ring = el("div", { class: "ring", hidden: true });
    this.surface.append(this.ring);
    this.surface.classList.add("drawn");
    this.surface.setAttribute("role", "application");
    this.surface.setAttribute("aria-label", `Image of ${height} by ${width} pixels to draw on`);
    this.surface.setAttribute("aria-describedby", "keys");
    this.brush = new Brush(this.surface, {
      width,
      height,
      size: 2,
      values: () => this.x,
      ink: (before, coverage, eraser, cell) => this.#ink(before, coverage, eraser, cell),
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

  open(image, item, startName) {
    super.open(image, item, startName);
    this.itemButton.disabled = !item;
    this.brush.forget();
    this.#offer();
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
    if (!this.isBits) tools.append(this.#toneSlider());
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
        this.tone = Number(tone.value);
      },
    });
    return el("label", { class: "row" }, "Black", tone, "White");
  }

  #ink(before, coverage, eraser, cell) {
    const erase = eraser || this.erasing;
    if (this.isBits) return coverage >= 0.5 ? Number(!erase) : before;
    const goal = erase ? this.start[cell] : this.tone;
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
    this.begin(name);
    this.x.set(this.start);
    this.#changed(true);
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
