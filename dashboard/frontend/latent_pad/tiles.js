/** Images on the map: the manifold decoded tile by tile, or thumbnails where there is room. */

import { paint } from "../dom.js";

const TILE = 28; // screen pixels, about
const MOST_KEPT = 8000;

/** A canvas of `width` x `height` pixels with an image on it. */
export function tileCanvas(width, height, values) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  if (values) paint(canvas, values);
  return canvas;
}

/**
 * The cells of a grid that is fixed to the plane and halves its size as one zooms in.
 *
 * @param {object} viewport
 * @param {number[]} shape height and width of an image.
 * @returns {{level: number, wide: number, high: number, cells: number[][]}} size of a cell in units
 *   of the plane; `cells` as [column, row, centre x, centre y] of all in view.
 */
export function cellsInView(viewport, [height, width]) {
  const [homeX, homeY, homeHalf] = viewport.home;
  const rows = Math.max(8, Math.round(viewport.side / TILE));
  const columns = Math.max(8, Math.round((rows * height) / width));
  const level = Math.round(Math.log2(homeHalf / viewport.half));
  const high = (2 * homeHalf) / rows / 2 ** level;
  const wide = (2 * homeHalf) / columns / 2 ** level;
  const [left, top] = [homeX - homeHalf, homeY + homeHalf];
  const { x, y, half } = viewport;
  const cells = [];
  const end = (value) => Math.ceil(value - 1e-6) - 1;
  for (let r = Math.floor((top - y - half) / high + 1e-6); r <= end((top - y + half) / high); r++) {
    const first = Math.floor((x - half - left) / wide + 1e-6);
    for (let c = first; c <= end((x + half - left) / wide); c++) {
      cells.push([c, r, left + (c + 0.5) * wide, top - (r + 0.5) * high]);
    }
  }
  return { level, wide, high, cells };
}

/** Put an image on the part of the plane that is its cell's, without gaps. */
function put(context, viewport, image, x, y, wide, high, part = null) {
  const [px0, py0] = viewport.toPixel(x - wide / 2, y + high / 2).map(Math.round);
  const [px1, py1] = viewport.toPixel(x + wide / 2, y - high / 2).map(Math.round);
  const from = part ?? [0, 0, image.width, image.height];
  context.drawImage(image, ...from, px0, py0, px1 - px0, py1 - py0);
}

export class Manifold {
  /** @param {function(number, number): ?Float32Array} decode the image at a place, null outside. */
  constructor(decode, shape) {
    this.decode = decode;
    this.shape = shape;
    this.tiles = new Map();
  }

  clear() {
    this.tiles.clear();
  }

  /** Decode tiles in view, the middle first, for some milliseconds; returns whether all are done. */
  work(viewport, milliseconds) {
    const { level, cells } = cellsInView(viewport, this.shape);
    const missing = cells.filter(([c, r]) => !this.tiles.has(`${level}:${c}:${r}`));
    const away = ([, , x, y]) => Math.hypot(x - viewport.x, y - viewport.y);
    missing.sort((a, b) => away(a) - away(b));
    const end = performance.now() + milliseconds;
    for (const [c, r, x, y] of missing) {
      if (performance.now() >= end) return false;
      const image = this.decode(x, y);
      const [height, width] = this.shape;
      this.tiles.set(`${level}:${c}:${r}`, image && tileCanvas(width, height, image));
    }
    if (this.tiles.size > MOST_KEPT) {
      for (const key of [...this.tiles.keys()].slice(0, MOST_KEPT / 2)) this.tiles.delete(key);
    }
    return true;
  }

  draw(context, viewport) {
    const { level, wide, high, cells } = cellsInView(viewport, this.shape);
    const [height, width] = this.shape;
    context.imageSmoothingEnabled = false;
    for (const [c, r, x, y] of cells) {
      const own = this.tiles.get(`${level}:${c}:${r}`);
      if (own) put(context, viewport, own, x, y, wide, high);
      if (own !== undefined) continue;
      // Until it is decoded: the part of a larger tile around it.
      for (let up = 1; up <= 3; up++) {
        const larger = this.tiles.get(`${level - up}:${c >> up}:${r >> up}`);
        if (!larger) continue;
        const share = 2 ** up;
        const [across, down] = [c - ((c >> up) << up), r - ((r >> up) << up)];
        const part = [(across * width) / share, (down * height) / share];
        put(context, viewport, larger, x, y, wide, high, [...part, width / share, height / share]);
        break;
      }
    }
  }
}

/**
 * One point for each cell in view that has any: the one nearest to its centre.
 *
 * @param {number} count the points with images are the first ones.
 * @returns {number[][]} [point, centre x, centre y].
 */
export function roomForImages(viewport, shape, { xs, ys, classes, hidden }, count) {
  const { wide, high, cells } = cellsInView(viewport, shape);
  if (!cells.length) return { wide, high, chosen: [] };
  const [firstColumn, firstRow, x0, y0] = cells[0];
  const columns = cells.at(-1)[0] - firstColumn + 1;
  const rows = cells.at(-1)[1] - firstRow + 1;
  const left = x0 - wide / 2;
  const top = y0 + high / 2;
  const best = new Int32Array(cells.length).fill(-1);
  const shortest = new Float64Array(cells.length).fill(Infinity);
  for (let i = 0; i < count; i++) {
    if (hidden[classes[i]]) continue;
    const across = (xs[i] - left) / wide;
    const down = (top - ys[i]) / high;
    const [c, r] = [Math.floor(across), Math.floor(down)];
    if (c < 0 || r < 0 || c >= columns || r >= rows) continue;
    const distance = (across - c - 0.5) ** 2 + (down - r - 0.5) ** 2;
    const cell = r * columns + c;
    if (distance < shortest[cell]) {
      shortest[cell] = distance;
      best[cell] = i;
    }
  }
  const chosen = cells.flatMap(([, , x, y], cell) => (best[cell] < 0 ? [] : [[best[cell], x, y]]));
  return { wide, high, chosen };
}

/** Thumbnails: grey ones as ink in the colour of their class where it is known. */
export class Thumbnails {
  constructor(shape, image, colour) {
    this.shape = shape;
    this.image = image;
    this.colour = colour;
    this.kept = new Map();
  }

  of(index) {
    if (!this.kept.has(index)) {
      if (this.kept.size > MOST_KEPT) this.kept.clear();
      this.kept.set(index, this.make(index));
    }
    return this.kept.get(index);
  }

  make(index) {
    const [height, width] = this.shape;
    const values = this.image(index);
    const colour = this.colour(index);
    if (!colour || values.length > width * height) return tileCanvas(width, height, values);
    const canvas = tileCanvas(width, height, null);
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    for (let i = 0; i < values.length; i++) image.data.set([...colour, values[i]], 4 * i);
    context.putImageData(image, 0, 0);
    return canvas;
  }

  draw(context, viewport, points, count) {
    const { wide, high, chosen } = roomForImages(viewport, this.shape, points, count);
    context.imageSmoothingEnabled = true;
    for (const [index, x, y] of chosen) put(context, viewport, this.of(index), x, y, wide, high);
  }
}
