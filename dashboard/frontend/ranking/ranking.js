/** A table of systems whose headers sort it; rows that do not compare stay below, in grey. */

import { button, el, keep } from "../dom.js";
import { sorted } from "./order.js";

// Name of the column, title, what it is sorted by.
const COLUMNS = [
  ["rank", "Rank", "rank"],
  ["system", "System", "system"],
  ["published", "Published", "published"],
  ["ours", "Ours", "ours"],
  ["solid", "Solid", null],
  ["moonshot", "Moonshot", null],
  ["parameters", "Parameters", "parameters"],
  ["trained", "Training", "seconds"],
];
const NUMBERS = ["published", "ours"];

/** A target with its verdict in words and a sign, not by colour alone. */
function target({ text, met, note }) {
  if (!text) return [];
  const parts = [el("span", {}, text)];
  if (met === true) parts.push(el("span", { class: "met" }, "✓ met"));
  if (met === false) parts.push(el("span", { class: "missed" }, "✗ missed"));
  if (note) parts.push(el("span", { class: "caption" }, note));
  return parts;
}

function cell(row, name) {
  if (name === "system") {
    const told = row.checkpoint || row.reason;
    const title = row.links.length
      ? el("a", { href: row.links[0].href }, row.system)
      : el("span", {}, row.system);
    const parts = [title, el("span", { class: "caption" }, told)];
    if (row.checkpoint && row.reason) parts.push(el("span", { class: "caption" }, row.reason));
    const links = row.links.map(({ title, href }) =>
      el("a", { href, "aria-label": `${title}: ${row.checkpoint}` }, title),
    );
    if (links.length) parts.push(el("span", { class: "links" }, ...links));
    return parts;
  }
  if (name === "published") {
    const grey = row.sort.published === null ? "grey" : null;
    return [
      el("span", { class: grey }, row.published),
      el("span", { class: "caption" }, row.source),
    ];
  }
  if (name === "ours") {
    const told = [row.how, row.seeds].filter(Boolean);
    return [
      el("span", {}, row.ours),
      ...told.map((text) => el("span", { class: "caption" }, text)),
    ];
  }
  if (name === "solid" || name === "moonshot") return target(row[name]);
  return [el("span", {}, row[name])];
}

class Ranking {
  constructor(component) {
    this.report = (order) => component.setStateValue("view", { order });
    this.head = el("tr");
    this.body = el("tbody");
    this.news = el("p", { class: "unseen", role: "status" });
    this.root = el(
      "div",
      { class: "frame", tabindex: "0", role: "region", "aria-label": "Systems, row by row" },
      el("table", {}, el("thead", {}, this.head), this.body),
    );
    component.parentElement.append(this.root, this.news);
    this.buttons = new Map();
    for (const [name, title, key] of COLUMNS) {
      const header = el("th", { scope: "col", class: name });
      if (key) {
        const sort = button(title, () => this.sortBy(key), { class: "sort" });
        header.append(sort);
        this.buttons.set(key, { header, sort, title });
      } else header.append(title);
      this.head.append(header);
    }
    this.rows = [];
    this.order = null;
  }

  update({ data }) {
    const text = JSON.stringify(data.rows);
    if (text === this.text && this.order) return;
    this.text = text;
    this.falling = data.falling;
    this.rows = data.rows;
    this.order ??= data.order;
    this.draw();
  }

  /** Once by what is wanted first, and the other way round when it is asked again. */
  sortBy(key) {
    const falling = this.falling && NUMBERS.includes(key);
    const usual = falling ? `-${key}` : key;
    const other = falling ? key : `-${key}`;
    this.order = this.order === usual ? other : usual;
    this.draw();
    const way = this.order.startsWith("-") ? "the largest first" : "the smallest first";
    this.news.textContent = `Sorted by ${this.buttons.get(key).title}, ${way}`;
    this.report(this.order);
  }

  draw() {
    const down = this.order.startsWith("-");
    const by = down ? this.order.slice(1) : this.order;
    for (const [key, { header, sort, title }] of this.buttons) {
      const chosen = key === by;
      if (chosen) header.setAttribute("aria-sort", down ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
      sort.textContent = chosen ? `${title} ${down ? "▼" : "▲"}` : title;
    }
    this.body.replaceChildren(
      ...sorted(this.rows, by, down).map((row) =>
        el(
          "tr",
          { class: row.comparable ? null : "grey" },
          ...COLUMNS.map(([name]) =>
            el(
              name === "system" ? "th" : "td",
              name === "system" ? { scope: "row", class: name } : { class: name },
              ...cell(row, name),
            ),
          ),
        ),
      ),
    );
  }

  destroy() {
    this.root.remove();
    this.news.remove();
  }
}

export default function (component) {
  return keep(component, (first) => new Ranking(first));
}
