/** A line a chain over steps, drawn up to the step that is shown; what comes later stays faint. */

import { theme } from "../dom.js";
import { ticks } from "../ticks.js";
import { Chart } from "./chart.js";

const HEIGHT = 150;
const TICKS = 4; // at the most
const MARGIN = { left: 46, right: 22, top: 8, bottom: 20 };

export class LineChart {
  /** @param {string} label for readers who cannot see it. */
  constructor(label) {
    this.data = null;
    this.step = 0;
    this.chart = new Chart(label, HEIGHT, () => this.refresh());
    this.canvas = this.chart.canvas;
  }

  /**
   * Draw all lines anew: more steps, another quantity, size or theme.
   *
   * @param {object} data `{value(step, chain), length, chains, warmUp, low, high}`; limits may be
   *   null.
   */
  refresh(data = this.data) {
    this.data = data;
    if (!data) return;
    this.chart.fit();
    if (!this.chart.width) return;
    this.#scale();
    const context = this.chart.context(this.chart.layer);
    const stride = Math.max(1, Math.floor(data.length / (2 * this.chart.width)));
    context.lineWidth = 1.4;
    context.lineJoin = "round";
    for (let chain = 0; chain < data.chains; chain++) {
      context.strokeStyle = this.colours.series[chain % this.colours.series.length];
      context.setLineDash(chain >= 4 ? [4, 2] : []);
      context.beginPath();
      for (let step = 0; step < data.length; step += stride) {
        context.lineTo(this.x(step), this.y(data.value(step, chain)));
      }
      context.stroke();
    }
    this.draw(this.step);
  }

  #scale() {
    const { data } = this;
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const first = data.length > data.warmUp + 1 ? data.warmUp + 1 : 0; // the fill is far off
    for (let step = first; step < data.length; step++) {
      for (let chain = 0; chain < data.chains; chain++) {
        const value = data.value(step, chain);
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
    const room = Math.max((high - low) * 0.06, 1e-3);
    this.low = data.low ?? low - room;
    this.high = data.high ?? high + room;
    this.colours = theme(this.canvas.getRootNode());
  }

  x(step) {
    const width = this.chart.width - MARGIN.left - MARGIN.right;
    return MARGIN.left + (step / Math.max(this.data.length - 1, 1)) * width;
  }

  y(value) {
    const share = (value - this.low) / (this.high - this.low);
    const height = HEIGHT - MARGIN.top - MARGIN.bottom;
    return MARGIN.top + (1 - Math.min(Math.max(share, -0.04), 1.04)) * height;
  }

  /** Show a step: one copy of the layer and the numbers at the ends of the lines. */
  draw(step) {
    this.step = step;
    if (!this.data || !this.chart.width) return;
    const context = this.chart.context();
    this.#axes(context);
    const x = this.x(step);
    this.chart.copy(context, x, this.chart.width, 0.22);
    this.chart.copy(context, 0, x + 0.5);
    context.strokeStyle = this.colours.border;
    context.beginPath();
    context.moveTo(x, MARGIN.top);
    context.lineTo(x, HEIGHT - MARGIN.bottom);
    context.stroke();
    this.#ends(context, step, x);
  }

  #axes(context) {
    const { colours } = this;
    context.font = `11px ${colours.font}`;
    context.fillStyle = colours.text;
    context.strokeStyle = colours.border;
    context.lineWidth = 1;
    context.globalAlpha = 0.8;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const [tick, text] of ticks(this.low, this.high, TICKS)) {
      context.fillText(text, MARGIN.left - 6, this.y(tick));
      context.globalAlpha = 0.5;
      context.beginPath();
      context.moveTo(MARGIN.left, this.y(tick));
      context.lineTo(this.chart.width - MARGIN.right, this.y(tick));
      context.stroke();
      context.globalAlpha = 0.8;
    }
    context.textBaseline = "alphabetic";
    context.textAlign = "center";
    for (const [tick, text] of ticks(0, this.data.length - 1, TICKS)) {
      if (Number.isInteger(tick)) context.fillText(text, this.x(tick), HEIGHT - 5);
    }
    context.globalAlpha = 1;
  }

  /** The number of each chain at the end of its line, moved apart where they meet. */
  #ends(context, step, x) {
    const ends = [];
    for (let chain = 0; chain < this.data.chains; chain++) {
      ends.push({ chain, y: this.y(this.data.value(step, chain)) });
    }
    ends.sort((a, b) => a.y - b.y);
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.font = `600 11px ${this.colours.font}`;
    let below = Math.min(HEIGHT - MARGIN.bottom - 11 * ends.length, ends[0].y);
    for (const end of ends) {
      below = Math.max(below, end.y - 5.5 * (ends.length - 1));
      context.fillStyle = this.colours.series[end.chain % this.colours.series.length];
      context.fillText(String(end.chain + 1), x + 5, below);
      below += 11;
    }
  }

  destroy() {
    this.chart.destroy();
  }
}
