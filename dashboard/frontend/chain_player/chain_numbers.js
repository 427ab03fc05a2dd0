/** R-hat and effective sample sizes beside the chains, as the server computed them. */

import { el } from "../dom.js";

const TRUSTED = 1.01; // Vehtari et al. (2021): above, the chains have not mixed

const number = (value) =>
  value === null || value === undefined
    ? "–"
    : value === "inf"
      ? "∞"
      : Math.round(value).toString();

export function rHatText(value) {
  if (value === null || value === undefined) return "–";
  if (value === "inf") return "∞";
  return value > 100 ? "over 100" : value.toFixed(3);
}

export const isHigh = (value) => value === "inf" || (value ?? 0) > TRUSTED;

/** The place of the last diagnosis at or before a step; -1 where there is none. */
export function placeOf(steps, step) {
  let found = -1;
  while (found + 1 < steps.length && steps[found + 1] <= step) found++;
  return found;
}

export class ChainNumbers {
  constructor() {
    const head = ["", "R-hat", "ESS, bulk", "ESS, tail"].map((text) =>
      el("th", { scope: "col" }, text),
    );
    this.rows = ["log_joint", "pixel"].map((name) => ({
      name,
      title: el("th", { scope: "row" }, name),
      cells: [0, 1, 2].map(() => el("td", {}, "–")),
    }));
    this.note = el("p", { class: "caption" });
    this.meaning = el(
      "p",
      { class: "caption" },
      "R-hat compares the chains with each other: 1 when they agree, above 1.01 they have not " +
        "mixed. ESS: as many independent draws would tell the middle (bulk) or the 5 % and 95 % " +
        "quantiles (tail) as well.",
    );
    this.table = el(
      "table",
      { class: "numbers" },
      el("thead", {}, el("tr", {}, ...head)),
      el("tbody", {}, ...this.rows.map(({ title, cells }) => el("tr", {}, title, ...cells))),
    );
    this.said = "";
  }

  /** @param {object} diagnostics `header.diagnostics` of a message. */
  set(diagnostics) {
    this.diagnostics = diagnostics;
  }

  /** Another pixel: what was known of the last one does not count. */
  forget() {
    const none = { steps: [], r_hat: [], ess_bulk: [], ess_tail: [] };
    this.diagnostics = { ...this.diagnostics, pixel: none };
  }

  /** Show what was known at a step. */
  draw(step, { warmUp, chains, pixelTitle }) {
    const titles = { log_joint: "log p(x_obs, z)", pixel: pixelTitle };
    this.said = "";
    for (const { name, title, cells } of this.rows) {
      const { steps, r_hat, ess_bulk, ess_tail } = this.diagnostics[name];
      const at = placeOf(steps, step);
      title.textContent = titles[name];
      const high = isHigh(r_hat[at]);
      cells[0].textContent = rHatText(r_hat[at]) + (high ? " ⚠ not mixed" : "");
      cells[0].classList.toggle("warn", high);
      cells[1].textContent = number(ess_bulk[at]);
      cells[2].textContent = number(ess_tail[at]);
      if (name !== "log_joint") continue;
      if (at < 0) {
        this.note.textContent = `From step ${steps[0] ?? 10} on.`;
        continue;
      }
      const draws = chains * (steps[at] - warmUp);
      this.note.textContent = `At step ${steps[at]}: of ${draws} draws, ${chains} × ${
        steps[at] - warmUp
      } after ${warmUp} steps of warm-up.`;
      if (chains === 1) this.note.textContent += " R-hat takes two chains or more.";
      this.said = `R-hat ${rHatText(r_hat[at])}${high ? ", not mixed" : ""}`;
    }
  }
}
