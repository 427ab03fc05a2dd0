/** Pictures of many units side by side: one is chosen by a click, or by the arrow keys. */
import { readHeader, unpack } from "../blob.js";
import { el, keep } from "../dom.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: Number.NEGATIVE_INFINITY, End: Infinity };

class UnitWall {
  constructor(component) {
    this.sent = 0;
    this.report = (unit) => {
      this.sent += 1;
      component.setStateValue("view", { unit, stamp: this.stamp, number: this.sent });
    };
    this.root = el("div", { class: "wall", role: "group" });
    this.root.addEventListener("keydown", (event) => this.move(event));
    component.parentElement.append(this.root);
    this.stamp = null;
  }

  update({ data }) {
    const { stamp } = readHeader(data);
    if (stamp === this.stamp) return;
    this.stamp = stamp;
    const { header, arrays } = unpack(data);
    const [height, width] = header.shape;
    const bytes = 4 * height * width;
    this.units = header.units;
    this.root.setAttribute("aria-label", header.label);
    this.buttons = header.told.map((told, index) => {
      const canvas = el("canvas", { width, height, class: "pixels", "aria-hidden": "true" });
      const own = arrays.pixels.subarray(index * bytes, (index + 1) * bytes);
      const image = new ImageData(new Uint8ClampedArray(own), width, height);
      canvas.getContext("2d").putImageData(image, 0, 0);
      const choose = () => this.choose(index);
      return el(
        "button",
        { type: "button", title: told, "aria-label": told, onclick: choose },
        canvas,
      );
    });
    const focused = this.root.matches(":focus-within");
    this.root.replaceChildren(...this.buttons);
    this.mark(this.units.indexOf(header.chosen));
    if (focused) this.buttons[Math.max(this.at, 0)].focus();
  }

  /** The chosen one is pressed, and the only one that the Tab key stops at; -1: on another wall. */
  mark(index) {
    this.at = index;
    this.buttons.forEach((one, other) => {
      one.setAttribute("aria-pressed", String(other === index));
      one.tabIndex = other === Math.max(index, 0) ? 0 : -1;
    });
  }

  choose(index) {
    this.mark(index);
    this.report(this.units[index]);
  }

  move(event) {
    const rows = { ArrowUp: -this.columns(), ArrowDown: this.columns() };
    const step = STEPS[event.key] ?? rows[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const index = Math.min(Math.max(this.at + step, 0), this.buttons.length - 1);
    this.buttons[index].focus();
    if (index !== this.at) this.choose(index);
  }

  /** How many lie in a row now. */
  columns() {
    const top = this.buttons[0].offsetTop;
    const below = this.buttons.findIndex((one) => one.offsetTop !== top);
    return below < 0 ? this.buttons.length : below;
  }

  destroy() {
    this.root.remove();
  }
}

export default function (component) {
  return keep(component, (first) => new UnitWall(first));
}
