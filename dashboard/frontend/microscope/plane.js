/** A map of a plane of latents: points, ellipses, a density, on one canvas. */

import { theme } from "../dom.js";
import { ticks } from "../ticks.js";

/** Ellipse of `[xx, xy, yy]`: half axes of one standard deviation, and the angle of the first. */
export function ellipseOf([xx, xy, yy]) {
  const middle = (xx + yy) / 2;
  const spread = Math.hypot((xx - yy) / 2, xy);
  return {
    long: Math.sqrt(Math.max(middle + spread, 0)),
    short: Math.sqrt(Math.max(middle - spread, 0)),
    angle: Math.atan2(2 * xy, xx - yy) / 2,
  };
}

/**
 * Where a function on a grid crosses a level: pieces of line `[x1, y1, x2, y2, …]` in units of
 * the grid (marching squares, the crossing of each side by linear interpolation).
 *
 * @param {Float32Array} values `(columns * rows,)`, the first axis (x) slowest.
 */
export function contour(values, columns, rows, level) {
  const lines = [];
  const at = (i, j) => values[i * rows + j] - level;
  for (let i = 0; i + 1 < columns; i++) {
    for (let j = 0; j + 1 < rows; j++) {
      const corners = [at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)];
      const places = [
        [i, j],
        [i + 1, j],
        [i + 1, j + 1],
        [i, j + 1],
      ];
      const crossings = [];
      for (let side = 0; side < 4; side++) {
        const [a, b] = [corners[side], corners[(side + 1) % 4]];
        if (a > 0 === b > 0) continue;
        const share = a / (a - b);
        const [from, to] = [places[side], places[(side + 1) % 4]];
        crossings.push(from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1]));
      }
      lines.push(...crossings); // two crossings, or four: two lines
    }
  }
  return lines;
}

const BETWEEN = 42; // CSS pixels from one number on an axis to the next, at the least

export class Plane {
  /**
   * @param {HTMLCanvasElement} canvas sized by CSS.
   * @param {{points: Float32Array, classes: ?Uint8Array}} codes x and y of each, and its class.
   */
  constructor(canvas, codes) {
    this.canvas = canvas;
    this.codes = codes;
    this.view = { x: 0, y: 0, span: 8 };
    this.colours = null; // of the classes; null draws them all grey
    this.back = document.createElement("canvas");
    this.backKey = "";
  }

  /** Show a square of `span` units around (x, y). */
  look(x, y, span) {
    this.view = { x, y, span };
  }

  /** The unit of the plane in CSS pixels. */
  get unit() {
    return Math.min(this.width, this.height) / this.view.span;
  }

  toScreen(x, y) {
    return [
      this.width / 2 + (x - this.view.x) * this.unit,
      this.height / 2 - (y - this.view.y) * this.unit,
    ];
  }

  /** Start a picture: the points and the axes, kept as they are while nothing of them changes. */
  begin() {
    const { canvas } = this;
    const ratio = Math.min(globalThis.devicePixelRatio || 1, 2);
    this.width = canvas.clientWidth;
    this.height = canvas.clientHeight;
    const [width, height] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    if (!width || !height) return false;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    this.theme = theme(canvas.getRootNode());
    const { x, y, span } = this.view;
    const key = [width, height, x, y, span, this.theme.text, this.colours?.join()].join("|");
    if (key !== this.backKey) {
      this.backKey = key;
      this.back.width = width;
      this.back.height = height;
      this.#background(this.back.getContext("2d"), ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(this.back, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context = context;
    return true;
  }

  #background(context, ratio) {
    const { text, background, border, font } = this.theme;
    const { width, height } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = background;
    context.fillRect(0, 0, width, height);
    context.strokeStyle = border;
    context.lineWidth = 1;
    context.font = `11px ${font}`;
    const labels = [];
    for (const axis of [0, 1]) {
      const length = axis ? height : width;
      const middle = axis ? this.view.y : this.view.x;
      const half = length / this.unit / 2;
      for (const [value, label] of ticks(middle - half, middle + half, length / BETWEEN)) {
        const [sx, sy] = this.toScreen(axis ? this.view.x : value, axis ? value : this.view.y);
        context.beginPath();
        if (axis) {
          context.moveTo(0, sy);
          context.lineTo(width, sy);
        } else {
          context.moveTo(sx, 0);
          context.lineTo(sx, height);
        }
        context.stroke();
        const near = axis ? sy < 14 || sy > height - 20 : sx < 34 || sx > width - 14;
        if (!near) labels.push([label, axis, sx, sy]);
      }
    }
    this.#points(context);
    context.fillStyle = text;
    for (const [label, axis, sx, sy] of labels) {
      context.textAlign = axis ? "left" : "center";
      context.textBaseline = axis ? "middle" : "bottom";
      context.strokeStyle = background;
      context.lineWidth = 3;
      const place = axis ? [3, sy] : [sx, height - 3];
      context.strokeText(label, ...place);
      context.fillText(label, ...place);
    }
  }

  #points(context) {
    const { points, classes } = this.codes;
    const size = points.length > 8000 ? 2 : 3;
    context.globalAlpha = 0.55;
    const groups = this.colours && classes ? this.colours.length : 1;
    for (let group = 0; group < groups; group++) {
      context.fillStyle = groups > 1 ? this.colours[group] : "#75808b";
      for (let i = 0; i < points.length / 2; i++) {
        if (groups > 1 && classes[i] !== group) continue;
        const [x, y] = this.toScreen(points[2 * i], points[2 * i + 1]);
        if (x > -size && y > -size && x < this.width + size && y < this.height + size) {
          context.fillRect(x - size / 2, y - size / 2, size, size);
        }
      }
    }
    context.globalAlpha = 1;
  }

  /**
   * Ellipses of one and two standard deviations.
   *
   * @param {{x: number, y: number, covariance: number[]}} normal
   * @param {string} colour
   * @param {{dash: number[], width: number, fill: number, opacity: number}} style
   */
  normal({ x, y, covariance }, colour, { dash = [], width = 2, fill = 0, opacity = 1 } = {}) {
    const { context, unit } = this;
    const { long, short, angle } = ellipseOf(covariance);
    const [sx, sy] = this.toScreen(x, y);
    context.save();
    context.strokeStyle = colour;
    context.fillStyle = colour;
    context.lineWidth = width;
    context.setLineDash(dash);
    for (const deviations of [2, 1]) {
      context.beginPath();
      const radii = [long, short].map((radius) => Math.max(radius * unit * deviations, 0.5));
      context.ellipse(sx, sy, ...radii, -angle, 0, 2 * Math.PI);
      if (fill) {
        context.globalAlpha = fill * opacity;
        context.fill();
      }
      context.globalAlpha = opacity * (deviations === 2 ? 0.7 : 1);
      context.stroke();
    }
    context.restore();
  }

  /** Round dots with a rim that separates them from what is below. */
  dots(places, colour, radius = 3.5) {
    const { context } = this;
    context.fillStyle = colour;
    context.strokeStyle = this.theme.background;
    context.lineWidth = 1.5;
    for (const [x, y] of places) {
      context.beginPath();
      context.arc(...this.toScreen(x, y), radius, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
  }

  /**
   * A density on a grid: a tint, and lines around the masses that the ellipses hold.
   *
   * @param {{box: number[], columns: number, rows: number, tint: HTMLCanvasElement,
   *   lines: number[][]}} density `box` is [left, right, bottom, top], the grid's outer points.
   */
  density({ box, columns, rows, tint, lines }, colour, opacity) {
    const { context } = this;
    const [left, right, bottom, top] = box;
    const [cellX, cellY] = [(right - left) / (columns - 1), (top - bottom) / (rows - 1)];
    const [x0, y0] = this.toScreen(left - cellX / 2, top + cellY / 2);
    const [x1, y1] = this.toScreen(right + cellX / 2, bottom - cellY / 2);
    context.save();
    context.globalAlpha = opacity;
    context.drawImage(tint, x0, y0, x1 - x0, y1 - y0);
    context.strokeStyle = colour;
    for (const [index, pieces] of lines.entries()) {
      context.lineWidth = 2;
      context.globalAlpha = opacity * (index ? 0.7 : 1);
      context.beginPath();
      for (let i = 0; i < pieces.length; i += 4) {
        context.moveTo(...this.toScreen(left + pieces[i] * cellX, bottom + pieces[i + 1] * cellY));
        context.lineTo(
          ...this.toScreen(left + pieces[i + 2] * cellX, bottom + pieces[i + 3] * cellY),
        );
      }
      context.stroke();
    }
    context.restore();
  }

  /** A square that marks another view of the same plane. */
  frame({ x, y, span }, colour) {
    const { context } = this;
    const side = Math.max(span * this.unit, 10);
    const [sx, sy] = this.toScreen(x, y);
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    context.strokeRect(sx - side / 2, sy - side / 2, side, side);
  }
}

/** A grid's densities as a tint of a colour, the highest one at `strongest` opacity. */
export function tintOf(logDensity, columns, rows, [red, green, blue], strongest = 0.55) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const highest = logDensity.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < rows; j++) {
      const at = 4 * ((rows - 1 - j) * columns + i);
      image.data.set([red, green, blue], at);
      image.data[at + 3] = 255 * strongest * Math.exp(logDensity[i * rows + j] - highest);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
