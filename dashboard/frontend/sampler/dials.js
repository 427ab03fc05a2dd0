/** Sliders for the latents of a layer, or for the principal axes of its codes. */
import { debounced, el, imageCanvas, paint } from "../dom.js";
import { klMeter, shareMeter } from "./unit_list.js";

const REACH = 3; // standard deviations of the prior
const STEP = 0.05;
const STRIP = 7; // images along a slider's way
const STRIP_GAP = 2;

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

export class Dials {
  /**
   * @param {CodeView} view
   * @param {object} options
   * @param {string[]} options.titles of the units.
   * @param {?Float32Array} options.kl of each, in nats.
   * @param {?Float32Array} options.shares of the variance along each axis.
   * @param {number[]} options.shape of an image, height and width.
   * @param {function} options.moved at each move.
   * @param {function} options.released when a move has ended.
   */
  constructor(view, { titles, kl, shares, shape, moved, released }) {
    Object.assign(this, { view, titles, kl, shares, shape, moved, released });
    this.noun = view.ways ? "axis" : "latent";
    this.most = Math.max(...(kl ?? shares ?? [0]));
    this.rows = new Map();
    this.element = el("div", { class: "dials" });
    this.drawStrips = debounced(() => this.strips(), 120);
  }

  show(units) {
    this.element.replaceChildren(...units.map((unit) => this.row(unit).element));
    this.refresh();
  }

  row(unit) {
    if (!this.rows.has(unit)) this.rows.set(unit, this.build(unit));
    return this.rows.get(unit);
  }

  build(unit) {
    const title = `${this.noun} ${unit + 1}`;
    const reach = Math.max(REACH, Math.ceil(Math.abs(this.view.base(unit))));
    const row = { unit, title, reach, strip: null };
    const back = () => {
      this.view.reset(unit);
      this.changed();
      this.released();
    };
    row.range = el("input", {
      type: "range",
      min: -reach,
      max: reach,
      step: STEP,
      "aria-label": title,
      oninput: () => {
        // The grid of the steps in decimals, so that the address holds it exactly.
        this.view.set(unit, Math.round(Number(row.range.value) * 100) / 100);
        this.tell(row);
        this.moved();
        if (this.anyStrip()) this.drawStrips();
      },
      onchange: () => this.released(),
      ondblclick: back,
    });
    row.value = el("output", { class: "value" });
    row.back = el(
      "button",
      { type: "button", class: "small", "aria-label": `Reset ${title}`, title: "Reset" },
      "↺",
    );
    row.back.addEventListener("click", back);
    row.way = el(
      "button",
      {
        type: "button",
        class: "small",
        "aria-label": `Images along ${title}`,
        title: `${STRIP} images along it`,
        "aria-expanded": "false",
      },
      "⋯",
    );
    row.way.addEventListener("click", () => this.toggleStrip(row));
    const { kl, shares, most } = this;
    const beside = kl
      ? klMeter(kl[unit], most)
      : shares
        ? shareMeter(shares[unit], most)
        : el("span", { class: "kl" });
    row.element = el(
      "div",
      { class: "dial" },
      el("span", { class: "name" }, this.titles[unit]),
      row.range,
      row.value,
      beside,
      row.back,
      row.way,
    );
    return row;
  }

  anyStrip() {
    return this.element.querySelector("canvas") !== null;
  }

  toggleStrip(row) {
    const [height, width] = this.shape;
    const open = row.strip === null;
    row.way.setAttribute("aria-expanded", String(open));
    if (open) {
      row.strip = imageCanvas(
        STRIP * (width + STRIP_GAP) - STRIP_GAP,
        height,
        `${STRIP} images, ${row.title} from −${row.reach} to ${row.reach}`,
      );
      row.strip.classList.add("strip");
      row.element.append(row.strip);
      this.strips();
    } else {
      row.strip.remove();
      row.strip = null;
    }
  }

  /** Draw the ways of all sliders that show theirs, the others as they stand now. */
  strips() {
    const [height, width] = this.shape;
    const one = imageCanvas(width, height, "");
    for (const row of this.rows.values()) {
      if (!row.strip?.isConnected) continue;
      const context = row.strip.getContext("2d");
      for (let i = 0; i < STRIP; i++) {
        const value = row.reach * ((2 * i) / (STRIP - 1) - 1);
        paint(one, this.view.image(this.view.code(row.unit, value)));
        context.drawImage(one, i * (width + STRIP_GAP), 0);
      }
    }
  }

  /** Say where a slider stands. */
  tell(row) {
    const value = this.view.value(row.unit);
    const along = this.view.ways ? "standard deviations along it" : "prior standard deviations";
    row.value.textContent = signed(value);
    row.range.style.setProperty("--at", `${50 + (50 * value) / row.reach}%`);
    row.range.setAttribute("aria-valuetext", `${row.title}, ${Number(value.toFixed(2))} ${along}`);
    row.back.disabled = !this.view.turned.has(row.unit);
  }

  /** The sliders stand where the view says. */
  refresh() {
    for (const row of this.rows.values()) {
      row.range.value = this.view.value(row.unit);
      this.tell(row);
    }
  }

  changed() {
    this.refresh();
    this.moved();
    if (this.anyStrip()) this.drawStrips();
  }

  destroy() {
    this.drawStrips.cancel();
  }
}
