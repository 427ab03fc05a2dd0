/** The part of the plane that a square map shows, and its axes. */

import { ticks } from "../ticks.js";

const ZOOM_IN = 2000; // times, from the whole map
const ZOOM_OUT = 4;
const PRIOR = 4; // half a side that shows the prior, however near to each other the codes are

/** Numbers as a link keeps them: the view that a link opens is this one to the last bit. */
export const linked = (value) => Math.fround(Number(value.toPrecision(7)));

export class Viewport {
  constructor() {
    this.home = [0, 0, 1];
    [this.x, this.y, this.half] = this.home;
    this.resize(480);
  }

  /** Lay the map out in `width` screen pixels; the plot is square. */
  resize(width) {
    this.left = width < 450 ? 34 : 46;
    this.top = 6;
    this.side = Math.max(120, Math.floor(width - this.left - 8));
    this.width = this.left + this.side + 8;
    this.height = this.top + this.side + 42;
  }

  /** What the whole map shows: centre and half the side. */
  setHome(x, y, half) {
    this.home = [x, y, half];
  }

  reset() {
    [this.x, this.y, this.half] = this.home;
  }

  /** Decimals that tell two neighbouring pixels apart, from 2 on. */
  get digits() {
    return Math.max(2, Math.min(7, Math.ceil(-Math.log10(this.half)) + 2));
  }

  get isHome() {
    return [this.x, this.y, this.half].every((value, i) => value === this.home[i]);
  }

  get window() {
    return [this.x, this.y, this.half];
  }

  set window(values) {
    [this.x, this.y, this.half] = values;
    this.hold();
  }

  /** Keep the view where there is something to see. */
  hold() {
    const [x, y, half] = this.home;
    const reach = Math.max(half * ZOOM_OUT, PRIOR);
    this.half = Math.min(Math.max(this.half, half / ZOOM_IN), reach);
    this.x = Math.min(Math.max(this.x, x - reach), x + reach);
    this.y = Math.min(Math.max(this.y, y - reach), y + reach);
  }

  /** Numbers that a link keeps whole. */
  snap() {
    if (!this.isHome) [this.x, this.y, this.half] = this.window.map(linked);
  }

  toPixel(x, y) {
    const scale = this.side / (2 * this.half);
    return [
      this.left + (x - this.x + this.half) * scale,
      this.top + (this.y + this.half - y) * scale,
    ];
  }

  toPlane(px, py) {
    const scale = (2 * this.half) / this.side;
    return [
      this.x - this.half + (px - this.left) * scale,
      this.y + this.half - (py - this.top) * scale,
    ];
  }

  contains(px, py) {
    const [x, y] = [px - this.left, py - this.top];
    return x >= 0 && y >= 0 && x <= this.side && y <= this.side;
  }

  /** Move the plane along with the pointer, by screen pixels. */
  pan(dx, dy) {
    const scale = (2 * this.half) / this.side;
    this.x -= dx * scale;
    this.y += dy * scale;
    this.hold();
  }

  /** Enlarge by `factor` around a place of the screen, which stays where it is. */
  zoom(px, py, factor) {
    const [x, y] = this.toPlane(px, py);
    this.half /= factor;
    this.hold();
    const [nowX, nowY] = this.toPlane(px, py);
    this.x += x - nowX;
    this.y += y - nowY;
    this.hold();
  }

  /** Lines of the grid, in the pixels of the plot's own canvas. */
  gridLines() {
    const most = this.side / 45;
    const scale = this.side / (2 * this.half);
    return [
      ticks(this.x - this.half, this.x + this.half, most).map(([value, text]) => [
        (value - this.x + this.half) * scale,
        text,
      ]),
      ticks(this.y - this.half, this.y + this.half, most).map(([value, text]) => [
        (this.y + this.half - value) * scale,
        text,
      ]),
    ];
  }

  /** Frame, numbers and titles around the plot. */
  drawAxes(context, colours, titles) {
    const { left, top, side } = this;
    context.strokeStyle = colours.border;
    context.lineWidth = 1;
    context.strokeRect(left - 0.5, top - 0.5, side + 1, side + 1);
    context.fillStyle = colours.text;
    context.font = `12px ${colours.font}`;
    const [across, up] = this.gridLines();
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const [at, text] of across) context.fillText(text, left + at, top + side + 5);
    context.textAlign = "right";
    context.textBaseline = "middle";
    const room = left - 20; // the title stands to the left of the numbers
    for (const [at, text] of up) context.fillText(text, left - 5, top + at, room);
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    context.fillText(fitting(context, titles[0], side), left + side / 2, top + side + 36);
    context.save();
    context.translate(11, top + side / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(fitting(context, titles[1], side), 0, 0);
    context.restore();
  }
}

/** The longest of several wordings that fits. */
function fitting(context, wordings, room) {
  return wordings.find((text) => context.measureText(text).width <= room) ?? wordings.at(-1);
}
