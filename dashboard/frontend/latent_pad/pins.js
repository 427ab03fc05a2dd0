/** Pinned places: a list with their images, the way between two of them, and one's neighbours. */

import { button, el, imageCanvas, paint } from "../dom.js";
import { journey, norm, spherical, straight } from "./interpolation.js";

const STEPS = 9;
const NEIGHBOURS = 8;
export const MOST_PINS = 12;

export class Pins {
  /**
   * @param {number[]} shape of an image.
   * @param {object} on `decode(z)`, `changed()`, `image(i)`, `neighbours(z, i, count)`: indices or
   *   null, `title(i)`.
   */
  constructor([height, width], on) {
    this.on = on;
    this.size = [width, height];
    this.list = []; // {z, image}: `image` is the row of the image that was pinned, or -1
    this.chosen = -1; // the pin that is looked at
    this.between = [0, 1];
    this.hold = -1; // the pin whose other directions the plane keeps, or -1 for the mean
    this.cards = el("div", { class: "cards" });
    this.empty = el("p", { class: "caption" });
    this.close = el("div", { class: "stack" });
    this.from = el("select", { "aria-label": "From pin", onchange: () => this.choose(0) });
    this.to = el("select", { "aria-label": "To pin", onchange: () => this.choose(1) });
    this.ways = { straight: this.strip("Linear"), spherical: this.strip("Spherical") };
    this.ways.note = el("p", { class: "caption" });
    this.ends = el("div", { class: "row" }, "from", this.from, "to", this.to);
    this.wayTitle = el("h2", {});
    const both = [this.ways.straight.node, this.ways.spherical.node];
    this.way = el(
      "section",
      { class: "ways stack", "aria-label": "Ways between two pins", hidden: true },
      el("div", { class: "row" }, this.wayTitle, this.ends),
      el("div", { class: "both" }, ...both),
      this.ways.note,
    );
    this.wipe = button("Clear pins", () => this.clear());
    this.node = el(
      "section",
      { class: "pins stack", "aria-label": "Pins" },
      el("div", { class: "row" }, el("h2", {}, "Pins"), this.wipe),
      this.empty,
      this.cards,
      this.close,
    );
  }

  strip(title) {
    const [width, height] = this.size;
    const cells = Array.from({ length: STEPS }, (_, index) => {
      const canvas = imageCanvas(width, height, `${title} interpolation, image ${index + 1}`);
      const caption = el("figcaption", {});
      return { canvas, caption, node: el("figure", {}, canvas, caption) };
    });
    const row = el("div", { class: "strip" }, ...cells.map((cell) => cell.node));
    return { cells, node: el("div", {}, el("h3", {}, title), row) };
  }

  add(z, image = -1) {
    if (this.list.length >= MOST_PINS) return false;
    this.list.push({ z, image });
    this.chosen = this.list.length - 1;
    if (this.list.length === 2) this.between = [0, 1];
    this.show();
    this.on.changed();
    return true;
  }

  remove(index) {
    if (index < 0 || index >= this.list.length) return;
    this.list.splice(index, 1);
    const moved = (old) => (old > index ? old - 1 : old);
    this.between = this.between.map(moved).map((pin) => Math.min(pin, this.list.length - 1));
    if (this.between[0] === this.between[1]) this.between = [0, 1];
    this.hold = this.hold === index ? -1 : moved(this.hold);
    this.chosen = Math.min(moved(this.chosen), this.list.length - 1);
    this.show();
    this.on.changed();
  }

  clear() {
    Object.assign(this, { list: [], chosen: -1, between: [0, 1], hold: -1 });
    this.show();
    this.on.changed();
  }

  look(index) {
    this.chosen = index;
    this.show();
    this.on.changed(false);
  }

  choose(end) {
    this.between[end] = Number((end ? this.to : this.from).value);
    this.show();
    this.on.changed();
  }

  /** Draw the whole section again: after a change of pins, not of the pointer. */
  show() {
    this.wipe.disabled = this.list.length === 0;
    this.empty.textContent = this.list.length
      ? ""
      : "Click the map (or press Enter at the crosshair) to pin a place; with Shift, the nearest " +
        "image. Two pins show the way between them.";
    const [width, height] = this.size;
    this.cards.replaceChildren(
      ...this.list.map(({ z, image }, index) => {
        const canvas = imageCanvas(width, height, `Pin ${index + 1}`);
        paint(canvas, this.on.decode(z));
        const look = el(
          "button",
          {
            type: "button",
            class: "look",
            "aria-pressed": String(index === this.chosen),
            "aria-label": `Pin ${index + 1}${image < 0 ? "" : `, ${this.on.title(image)}`}`,
            onclick: () => this.look(index),
          },
          canvas,
          el("span", { class: "badge" }, `${index + 1}`),
        );
        const gone = el(
          "button",
          {
            type: "button",
            class: "gone",
            onclick: () => this.remove(index),
            "aria-label": `Remove pin ${index + 1}`,
          },
          "×",
        );
        return el("div", { class: "card" }, look, gone);
      }),
    );
    this.showClose();
    this.showWay();
  }

  /** The pin that is looked at: its image beside its reconstruction, and its neighbours. */
  showClose() {
    const pin = this.list[this.chosen];
    const [width, height] = this.size;
    const figure = (values, title) => {
      const canvas = imageCanvas(width, height, title);
      paint(canvas, values);
      return el("figure", {}, canvas, el("figcaption", {}, title));
    };
    const parts = [];
    if (pin) {
      const own = this.on.image(pin.image);
      const pair = [figure(this.on.decode(pin.z), own ? "Reconstruction" : "Decoded")];
      if (own) pair.unshift(figure(own, this.on.title(pin.image)));
      const near = this.on.neighbours(pin.z, pin.image, NEIGHBOURS);
      parts.push(el("h3", {}, `Pin ${this.chosen + 1} and its nearest images`));
      const images = near.map((i) => [this.on.image(i), this.on.title(i)]).filter(([x]) => x);
      const row = images.map(([image, title]) => figure(image, title));
      parts.push(el("div", { class: "strip near" }, ...pair, ...row));
    }
    this.close.replaceChildren(...parts);
  }

  showWay() {
    const enough = this.list.length > 1;
    this.way.hidden = !enough;
    if (!enough) return;
    const options = () => this.list.map((_, i) => el("option", { value: `${i}` }, `${i + 1}`));
    this.from.replaceChildren(...options());
    this.to.replaceChildren(...options());
    [this.from.value, this.to.value] = this.between.map(String);
    const [first, last] = this.between.map((index) => index + 1);
    this.wayTitle.textContent =
      this.list.length > 2 ? "The way" : `The way from pin ${first} to pin ${last}`;
    this.ends.hidden = this.list.length < 3;
    const [a, b] = this.between.map((index) => this.list[index].z);
    for (const [name, way] of Object.entries({ straight, spherical })) {
      journey(this.on.model, a, b, STEPS, way).forEach((z, index) => {
        const { canvas, caption } = this.ways[name].cells[index];
        paint(canvas, this.on.decode(z));
        caption.textContent = norm(this.on.model.layer(z, this.on.layer)).toFixed(1);
      });
    }
    this.ways.note.textContent = this.on.model.isBernoulli
      ? "Below each: the length of its vector of probabilities. Spherical: around one half."
      : "Below each: ‖z‖, in prior standard deviations.";
  }
}
