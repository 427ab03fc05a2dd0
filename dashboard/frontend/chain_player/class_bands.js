/** What the completions look like, as bands over the steps: a class is as high as its share. */

import { theme } from "../dom.js";
import { Chart } from "./chart.js";

const HEIGHT = 130;
const MARGIN = { left: 46, right: 22, top: 4, bottom: 20 };
const OVER = 8; // steps that a column is averaged over: a single one has too few neighbours

// Ten colours for ten classes: Petroff (2021), arXiv:2107.02270, as in components/charts.py.
const COLOURS = [
  "#3f90da",
  "#ffa90e",
  "#bd1f01",
  "#94a4a2",
  "#832db6",
  "#a96b59",
  "#e76300",
  "#b9ac70",
  "#717581",
  "#92dadd",
];

/** Shares of the classes over all chains and the steps from `first` to `last`. */
export function shares(recorded, first, last) {
  const total = new Float64Array(recorded.classes.length);
  for (let step = first; step <= last; step++) {
    for (let chain = 0; chain < recorded.chains; chain++) {
      const votes = recorded.votes(step, chain);
      for (let k = 0; k < total.length; k++) total[k] += votes[k];
    }
  }
  const sum = total.reduce((a, b) => a + b, 0) || 1;
  return total.map((value) => value / sum);
}

/** "4: 62 %, 9: 35 %", the largest first, what is below 3 % left out. */
export function inWords(names, values) {
  return [...values.keys()]
    .filter((k) => values[k] >= 0.03)
    .sort((a, b) => values[b] - values[a])
    .map((k) => `${names[k]}: ${Math.round(100 * values[k])} %`)
    .join(", ");
}

export class ClassBands {
  constructor() {
    this.recorded = null;
    this.step = 0;
    this.chart = new Chart("Shares of the classes over the steps", HEIGHT, () => this.refresh());
    this.canvas = this.chart.canvas;
  }

  /** Draw all bands anew: more steps, another recording, size or theme. */
  refresh(recorded = this.recorded) {
    this.recorded = recorded;
    if (!recorded) return;
    this.chart.fit();
    if (!this.chart.width) return;
    this.colours = theme(this.canvas.getRootNode());
    const context = this.chart.context(this.chart.layer);
    const columns = Math.min(recorded.length, Math.floor(this.#width() / 2));
    const steps = Array.from({ length: columns }, (_, column) =>
      Math.round((column / Math.max(columns - 1, 1)) * (recorded.length - 1)),
    );
    const rows = steps.map((step) => shares(recorded, Math.max(0, step - OVER + 1), step));
    const lower = rows.map(() => 0);
    recorded.classes.forEach((_, k) => {
      const upper = rows.map((row, column) => lower[column] + row[k]);
      this.#band(context, steps, lower, upper, COLOURS[k % COLOURS.length]);
      upper.forEach((value, column) => {
        lower[column] = value;
      });
    });
    this.draw(this.step);
  }

  #width() {
    return this.chart.width - MARGIN.left - MARGIN.right;
  }

  #x(step) {
    return MARGIN.left + (step / Math.max(this.recorded.length - 1, 1)) * this.#width();
  }

  #y(share) {
    return MARGIN.top + (1 - share) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  }

  #band(context, steps, lower, upper, colour) {
    context.fillStyle = colour;
    context.beginPath();
    steps.forEach((step, column) => {
      context.lineTo(this.#x(step), this.#y(upper[column]));
    });
    for (let column = steps.length - 1; column >= 0; column--) {
      context.lineTo(this.#x(steps[column]), this.#y(lower[column]));
    }
    context.fill();
  }

  /** The classes at the step that is shown, each beside its band. */
  #names(context, step, x) {
    const { classes } = this.recorded;
    const values = shares(this.recorded, Math.max(0, step - OVER + 1), step);
    const room = 13 / (HEIGHT - MARGIN.top - MARGIN.bottom);
    context.font = `600 12px ${this.colours.font}`;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.lineWidth = 3;
    context.lineJoin = "round";
    context.strokeStyle = this.colours.background;
    context.fillStyle = this.colours.text;
    let below = 0;
    values.forEach((share, k) => {
      const y = this.#y(below + share / 2);
      below += share;
      if (share < room) return;
      context.strokeText(classes[k], x + 5, y);
      context.fillText(classes[k], x + 5, y);
    });
  }

  /** Show a step. */
  draw(step) {
    this.step = step;
    if (!this.recorded || !this.chart.width) return;
    const context = this.chart.context();
    const { colours } = this;
    const x = this.#x(step);
    this.chart.copy(context, x, this.chart.width, 0.22);
    this.chart.copy(context, 0, x);
    context.font = `11px ${colours.font}`;
    context.fillStyle = colours.text;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const share of [0, 0.5, 1]) {
      context.fillText(`${100 * share} %`, MARGIN.left - 6, this.#y(share) + 5 * (share - 0.5));
    }
    context.fillRect(x - 0.5, MARGIN.top, 1, HEIGHT - MARGIN.top - MARGIN.bottom);
    this.#names(context, step, x);
  }

  destroy() {
    this.chart.destroy();
  }
}
