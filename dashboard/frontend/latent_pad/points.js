/** Many points: where they are on the map, drawn pixel by pixel, and which one is under the pointer. */

const CELL_POINTS = 4; // points in a cell of the hit grid, on average

/** A grid over points that finds the nearest one. */
export class HitGrid {
  /** @param {Float32Array} xs @param {Float32Array} ys coordinates. */
  constructor(xs, ys) {
    this.xs = xs;
    this.ys = ys;
    let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < xs.length; i++) {
      if (xs[i] < left) left = xs[i];
      if (xs[i] > right) right = xs[i];
      if (ys[i] < bottom) bottom = ys[i];
      if (ys[i] > top) top = ys[i];
    }
    this.cells = Math.max(1, Math.min(512, Math.ceil(Math.sqrt(xs.length / CELL_POINTS))));
    this.left = left;
    this.bottom = bottom;
    this.size = Math.max(right - left, top - bottom, 1e-9) / this.cells;
    this.bounds = xs.length ? [left, right, bottom, top] : null;
    // Counting sort by cell.
    this.starts = new Uint32Array(this.cells * this.cells + 1);
    const cellOf = new Uint32Array(xs.length);
    for (let i = 0; i < xs.length; i++) {
      cellOf[i] = this.cell(ys[i] - bottom) * this.cells + this.cell(xs[i] - left);
      this.starts[cellOf[i] + 1]++;
    }
    for (let i = 0; i < this.starts.length - 1; i++) this.starts[i + 1] += this.starts[i];
    const next = this.starts.slice(0, -1);
    this.members = new Uint32Array(xs.length);
    for (let i = 0; i < xs.length; i++) this.members[next[cellOf[i]]++] = i;
  }

  cell(offset) {
    return Math.min(this.cells - 1, Math.max(0, Math.floor(offset / this.size)));
  }

  /**
   * The point nearest to a place.
   *
   * @param {Uint8Array} classes of each point.
   * @param {Uint8Array} hidden 1 for classes that do not count.
   * @returns {number} its index, -1 where there is none.
   */
  nearest(x, y, classes, hidden) {
    const column = this.cell(x - this.left);
    const row = this.cell(y - this.bottom);
    // A place outside of the grid is further from every cell than from the border's.
    const beyond = Math.max(
      this.left - x,
      x - this.left - this.cells * this.size,
      this.bottom - y,
      y - this.bottom - this.cells * this.size,
      0,
    );
    let best = -1;
    let shortest = Infinity;
    for (let ring = 0; ring < this.cells; ring++) {
      // Cells of this ring are at least (ring - 1) cells away, whatever is beyond the border.
      if (best >= 0 && Math.max((ring - 1) * this.size, beyond) ** 2 > shortest) break;
      for (let r = row - ring; r <= row + ring; r++) {
        if (r < 0 || r >= this.cells) continue;
        const edge = r === row - ring || r === row + ring;
        for (let c = column - ring; c <= column + ring; c += edge ? 1 : Math.max(1, 2 * ring)) {
          if (c < 0 || c >= this.cells) continue;
          const cell = r * this.cells + c;
          for (let at = this.starts[cell]; at < this.starts[cell + 1]; at++) {
            const i = this.members[at];
            if (hidden[classes[i]]) continue;
            const distance = (this.xs[i] - x) ** 2 + (this.ys[i] - y) ** 2;
            if (distance < shortest) {
              shortest = distance;
              best = i;
            }
          }
        }
      }
    }
    return best;
  }
}

/** A round stamp: offsets and coverage (0 to 256) of its pixels. */
function stamp(radius, strength) {
  const reach = Math.ceil(radius);
  const pixels = [];
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      const coverage = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(dx, dy)));
      if (coverage > 0.05) pixels.push([dx, dy, Math.round(coverage * strength * 256)]);
    }
  }
  return { reach, pixels };
}

/** "Little-endian" pixel, as the browser's image data hold it. */
export const pixel = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

/**
 * Draw points into pixels.
 *
 * @param {Uint32Array} out `(side * side,)`, opaque already.
 * @param {object} what `{xs, ys, classes, palette, hidden, muted, radius, strength}`: palette and
 *   muted as pixels, `hidden` 1 for classes that are drawn muted and below the others.
 * @param {object} window `{x, y, half, side}`: `side` in pixels of `out`.
 */
export function drawPoints(out, what, { x, y, half, side }) {
  const { xs, ys, classes, palette, hidden, muted, radius, strength } = what;
  const scale = side / (2 * half);
  const left = x - half;
  const top = y + half;
  const plain = radius <= 1;
  const { reach, pixels } = stamp(radius, strength);
  const dots = pixels.map(([dx, dy, share]) => [dy * side + dx, share]);
  const some = hidden.includes(1);
  for (let pass = some ? 0 : 1; pass < 2; pass++) {
    const wanted = pass === 0 ? 1 : 0;
    for (let i = 0; i < xs.length; i++) {
      const kind = classes[i];
      if (some && hidden[kind] !== wanted) continue;
      const px = ((xs[i] - left) * scale) | 0;
      const py = ((top - ys[i]) * scale) | 0;
      if (px < reach || py < reach || px >= side - reach || py >= side - reach) continue;
      const colour = wanted ? muted : palette[kind];
      const at = py * side + px;
      if (plain) {
        out[at] = colour;
        if (radius === 1) out[at + 1] = out[at + side] = out[at + side + 1] = colour;
        continue;
      }
      const [redBlue, green] = [colour & 0xff00ff, colour & 0x00ff00];
      for (let dot = 0; dot < dots.length; dot++) {
        const place = at + dots[dot][0];
        const share = dots[dot][1];
        const below = out[place];
        const rb = below & 0xff00ff;
        const g = below & 0x00ff00;
        out[place] =
          (0xff000000 |
            ((((redBlue * share + rb * (256 - share)) / 256) & 0xff00ff) >>> 0) |
            ((((green * share + g * (256 - share)) / 256) & 0x00ff00) >>> 0)) >>>
          0;
      }
    }
  }
}

/** How large a point is: fewer and nearer ones are larger. In screen pixels. */
export function pointRadius(count, zoom) {
  const base = count <= 2000 ? 3 : count <= 12_000 ? 2.2 : count <= 100_000 ? 1.5 : 1;
  const larger = base * Math.min(2.2, Math.max(1, zoom ** 0.35));
  return count > 100_000 && larger < 1.5 ? 1 : larger;
}
