/**
 * Painting on a grid of cells (the pixels of an image) with mouse, touch, pen and keys.
 *
 *     const brush = new Brush(surface, {
 *       width: 28, height: 28,                   // cells
 *       depth: 3,                                // values a cell: 3 of an image in colour, else 1
 *       size: 3,                                 // diameter in cells; `brush.size = 5` later
 *       values: () => pixels,                    // typed array (height * width * depth,), by rows
 *       ink: (before, coverage, eraser, at) => ...,  // the new value at this index, see below
 *       changed: (finished) => ...,              // values changed; `finished` at a stroke's end
 *       pointed: () => ...,                      // brush.place (or nothing else) moved: draw it
 *     });
 *
 * `surface` is the element that shows the grid edge to edge (no border, no padding); it becomes
 * focusable and keeps touches for itself, so give it a role, a label and a focus style. `ink` gets
 * the value from when the stroke began and how much of its cell (0 to 1) the brush has covered
 * since, so a stroke that crosses itself adds nothing twice: `Math.max(before, coverage)`
 * draws soft ink, `coverage >= 0.5 ? 1 : before` bits. `eraser` is true for the far end of a pen.
 *
 * Keys: arrows move the cursor (Shift: four cells), Space draws there, held with the arrows a
 * line; Ctrl+Z and Ctrl+Shift+Z undo and redo; Escape drops the stroke under way.
 *
 * `brush.undo()`, `brush.redo()`, `brush.canUndo`, `brush.canRedo`; `brush.mark()` before any
 * other change of the values (clear, preset) makes that undoable, `brush.forget()` empties the
 * history;
 * `brush.place` is `{x, y, keys}` in cells (cell centres at .5) or null; `brush.drawing`;
 * `brush.destroy()` takes the listeners off.
 */

const MOST_UNDONE = 60;
const PEN_ERASER = 32; // the bit of `buttons`
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * How much of each cell a round brush covers on its way from one point to another.
 *
 * @param {{x: number, y: number}} from in cells; cell (row, column) has its centre at
 *   (column + 0.5, row + 0.5).
 * @param {{x: number, y: number}} to where the brush is now: its cell counts as covered.
 * @param {number} size diameter in cells.
 * @param {function(number, number)} visit called with the cell's index and coverage > 0.
 */
export function sweep(from, to, size, width, height, visit) {
  const radius = size / 2;
  const reach = radius + 0.5;
  const clip = (value, top) => Math.min(Math.max(Math.floor(value), 0), top);
  const [left, right] = [
    clip(Math.min(from.x, to.x) - reach, width - 1),
    clip(Math.max(from.x, to.x) + reach, width - 1),
  ];
  const [top, bottom] = [
    clip(Math.min(from.y, to.y) - reach, height - 1),
    clip(Math.max(from.y, to.y) + reach, height - 1),
  ];
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const long = dx * dx + dy * dy;
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const [px, py] = [column + 0.5 - from.x, row + 0.5 - from.y];
      const along = long ? Math.min(Math.max((px * dx + py * dy) / long, 0), 1) : 0;
      const distance = Math.hypot(px - along * dx, py - along * dy);
      const under = Math.floor(to.x) === column && Math.floor(to.y) === row;
      const coverage = under ? 1 : Math.min(Math.max(radius - distance + 0.5, 0), 1);
      if (coverage > 0) visit(row * width + column, coverage);
    }
  }
}

export class Brush {
  constructor(
    surface,
    { width, height, depth = 1, size = 2, values, ink, changed, pointed = () => {} },
  ) {
    Object.assign(this, { surface, width, height, depth, size, values, ink, changed, pointed });
    this.place = null;
    this.drawing = false;
    this.past = [];
    this.future = [];
    this.covered = new Float32Array(width * height);
    this.pointer = null;
    surface.tabIndex = 0;
    surface.style.touchAction = "none";
    const listen = {
      pointerdown: (event) => this.#down(event),
      pointermove: (event) => this.#move(event),
      pointerup: (event) => this.#up(event),
      pointercancel: (event) => this.#up(event),
      pointerleave: () => this.#leave(),
      keydown: (event) => this.#key(event),
      keyup: (event) => this.#keyUp(event),
      blur: () => this.#blur(),
      contextmenu: (event) => event.preventDefault(), // a long touch draws
    };
    this.listening = new AbortController();
    for (const [name, listener] of Object.entries(listen)) {
      surface.addEventListener(name, listener, { signal: this.listening.signal });
    }
  }

  get canUndo() {
    return this.past.length > 0;
  }

  get canRedo() {
    return this.future.length > 0;
  }

  /** Remember the values as they are: what follows can be undone. */
  mark() {
    this.past.push(this.values().slice());
    if (this.past.length > MOST_UNDONE) this.past.shift();
    this.future.length = 0;
  }

  forget() {
    this.past.length = 0;
    this.future.length = 0;
  }

  undo() {
    this.#travel(this.past, this.future);
  }

  redo() {
    this.#travel(this.future, this.past);
  }

  destroy() {
    this.listening.abort();
  }

  #travel(source, target) {
    if (this.drawing || !source.length) return;
    target.push(this.values().slice());
    this.values().set(source.pop());
    this.changed(true);
  }

  /** Where an event is on the grid, in cells. */
  #at(event) {
    const box = this.surface.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * this.width,
      y: ((event.clientY - box.top) / box.height) * this.height,
      keys: false,
    };
  }

  #begin(eraser) {
    this.mark();
    this.before = this.past.at(-1);
    this.covered.fill(0);
    this.eraser = eraser;
    this.drawing = true;
  }

  #line(from, to) {
    const values = this.values();
    sweep(from, to, this.size, this.width, this.height, (cell, coverage) => {
      if (coverage <= this.covered[cell]) return;
      this.covered[cell] = coverage;
      for (let at = cell * this.depth; at < (cell + 1) * this.depth; at++) {
        values[at] = this.ink(this.before[at], coverage, this.eraser, at);
      }
    });
    this.changed(false);
  }

  #end() {
    if (!this.drawing) return;
    this.drawing = false;
    const now = this.values();
    // a stroke that changed nothing is nothing to undo
    if (this.before.every((value, at) => value === now[at])) this.past.pop();
    this.changed(true);
  }

  #drop() {
    if (!this.drawing) return;
    this.drawing = false;
    this.pointer = null;
    this.past.pop();
    this.values().set(this.before);
    this.changed(true);
  }

  #down(event) {
    const eraser = Boolean(event.buttons & PEN_ERASER);
    if (this.drawing || (event.button !== 0 && !eraser)) return; // one stroke at a time
    this.pointer = event.pointerId;
    this.surface.setPointerCapture(event.pointerId);
    this.place = this.#at(event);
    this.#begin(eraser);
    this.#line(this.place, this.place);
    this.pointed();
  }

  #move(event) {
    if (this.drawing && event.pointerId !== this.pointer) return;
    const from = this.place;
    this.place = this.#at(event);
    if (this.drawing) this.#line(from, this.place);
    this.pointed();
  }

  #up(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    if (event.pointerType !== "mouse") this.place = null; // a finger that is gone points nowhere
    this.#end();
    this.pointed();
  }

  #leave() {
    if (this.drawing || this.place?.keys) return;
    this.place = null;
    this.pointed();
  }

  #key(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      if (event.shiftKey) this.redo();
      else this.undo();
    } else if (event.key === "Escape" && this.drawing) {
      event.preventDefault();
      this.#drop();
    } else if (event.key in STEPS && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.#step(STEPS[event.key], event.shiftKey ? 4 : 1);
    } else if (event.key === " ") {
      event.preventDefault();
      if (event.repeat || this.drawing) return;
      this.#step([0, 0], 0); // to the centre of the cell
      this.#begin(false);
      this.#line(this.place, this.place);
    }
  }

  #step([right, down], cells) {
    if (this.pointer !== null) return; // the pointer draws
    const from = this.place ?? { x: this.width / 2, y: this.height / 2 };
    const move = (value, by, size) =>
      Math.min(Math.max(Math.floor(value) + by * cells, 0), size - 1) + 0.5;
    this.place = {
      x: move(from.x, right, this.width),
      y: move(from.y, down, this.height),
      keys: true,
    };
    if (this.drawing) this.#line(from, this.place);
    this.pointed();
  }

  #keyUp(event) {
    if (event.key === " " && this.pointer === null) {
      event.preventDefault();
      this.#end();
    }
  }

  #blur() {
    if (this.pointer !== null) return;
    this.#end();
    this.place = null;
    this.pointed();
  }
}
