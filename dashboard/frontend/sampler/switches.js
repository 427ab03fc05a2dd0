/** A switch for each bit of a layer. */
import { el } from "../dom.js";
import { klMeter } from "./unit_list.js";

export class Switches {
  /**
   * @param {CodeView} view of a layer of bits.
   * @param {object} options
   * @param {?Float32Array} options.kl of each unit, in nats.
   * @param {function} options.moved at each change.
   * @param {function} options.released after it.
   */
  constructor(view, { kl, moved, released }) {
    Object.assign(this, { view, kl, moved, released });
    this.most = kl ? Math.max(...kl) : 0;
    this.buttons = new Map();
    this.element = el("div", {
      class: "switches",
      role: "group",
      "aria-label": "Bits of the layer; arrow keys move between them",
      onkeydown: (event) => this.move(event),
      onfocusin: (event) => this.only(event.target.closest("button")),
    });
  }

  show(units) {
    this.element.replaceChildren(...units.map((unit) => this.one(unit)));
    this.only(this.element.firstElementChild);
    this.refresh();
  }

  one(unit) {
    if (!this.buttons.has(unit)) {
      const node = el(
        "button",
        { type: "button", class: "switch" },
        el("span", { class: "name" }, String(unit + 1)),
      );
      if (this.kl) node.append(klMeter(this.kl[unit], this.most));
      node.addEventListener("click", () => {
        this.view.set(unit, this.view.value(unit) > 0.5 ? 0 : 1);
        this.refresh();
        this.moved();
        this.released();
      });
      this.buttons.set(unit, node);
    }
    return this.buttons.get(unit);
  }

  /** One of the group is in the order of the Tab key; arrows reach the others. */
  only(node) {
    for (const each of this.element.children) each.tabIndex = each === node ? 0 : -1;
  }

  move(event) {
    const all = [...this.element.children];
    const at = all.indexOf(event.target.closest("button"));
    const top = (node) => node.offsetTop;
    const columns = all.filter((node) => top(node) === top(all[0])).length;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
    const ends = { Home: 0, End: all.length - 1 };
    const to = event.key in ends ? ends[event.key] : at + (steps[event.key] ?? 0);
    if (at < 0 || to === at || !all[to]) return;
    event.preventDefault();
    all[to].focus();
  }

  refresh() {
    for (const [unit, node] of this.buttons) {
      const on = this.view.value(unit) > 0.5;
      const kl = this.kl ? `, KL ${this.kl[unit].toFixed(2)} nats` : "";
      node.setAttribute("aria-pressed", String(on));
      node.setAttribute("aria-label", `unit ${unit + 1}${kl}`);
      node.classList.toggle("turned", this.view.turned.has(unit));
    }
  }

  destroy() {}
}
