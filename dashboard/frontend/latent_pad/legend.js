/** The classes and their colours: an entry greys its class on the map, or all others. */

import { el } from "../dom.js";

/**
 * @param {function(Set<number>)} changed is given the classes that are grey now.
 */
export class Legend {
  constructor(changed) {
    this.changed = changed;
    this.grey = new Set();
    this.node = el("div", { class: "legend", role: "group", "aria-label": "Classes on the map" });
    this.entries = [];
  }

  /** @param {string[]} names @param {string[]} colours of each; `ramp` instead of classes. */
  show(names, colours, ramp) {
    this.entries = names.map((name, index) => {
      const mark = el("span", { class: "mark", "aria-hidden": "true" });
      mark.style.background = colours[index % colours.length];
      return el(
        "button",
        {
          type: "button",
          class: "entry",
          title: `Grey ${name}, or show it again; double click or O: only ${name}`,
          onclick: () => this.toggle(index),
          ondblclick: () => this.only(index),
          onkeydown: (event) => {
            if (event.key.toLowerCase() === "o") this.only(index);
          },
        },
        mark,
        name,
      );
    });
    const all = el(
      "button",
      { type: "button", class: "entry", onclick: () => this.set([]) },
      "all",
    );
    this.all = all;
    if (names.length) this.node.replaceChildren(...this.entries, all);
    else if (ramp) {
      const bar = el("span", { class: "ramp", "aria-hidden": "true" });
      bar.style.background = `linear-gradient(to right, ${ramp.colours.join(", ")})`;
      this.node.replaceChildren("position in the split: 0", bar, `${ramp.last}`);
    } else this.node.replaceChildren();
    this.mark();
  }

  toggle(index) {
    if (index >= this.entries.length) return;
    const grey = new Set(this.grey);
    if (!grey.delete(index)) grey.add(index);
    this.set(grey);
  }

  /** All others grey; all shown again where that is so already. */
  only(index) {
    const others = this.entries.map((_, i) => i).filter((i) => i !== index);
    const already = !this.grey.has(index) && others.every((i) => this.grey.has(i));
    this.set(already ? [] : others);
  }

  set(grey, silent = false) {
    this.grey = new Set([...grey].filter((index) => index < this.entries.length));
    this.mark();
    if (!silent) this.changed(this.grey);
  }

  mark() {
    this.entries.forEach((entry, index) => {
      entry.setAttribute("aria-pressed", String(!this.grey.has(index)));
    });
    if (this.all) this.all.hidden = this.grey.size === 0;
  }
}
