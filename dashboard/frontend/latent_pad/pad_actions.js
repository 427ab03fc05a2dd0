/** What a visitor does on the latent pad, and the view that comes of it. */

import { linkedCode } from "./interpolation.js";
import { PadScene } from "./pad_scene.js";
import { attribute, members } from "./selection.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class PadActions extends PadScene {
  currentView() {
    return {
      ...this.view,
      grey: [...this.legend.grey],
      window: this.viewport.isHome ? null : this.viewport.window,
      pins: this.pins.list.map(({ z, image, position }) => ({
        z: Array.from(z),
        image: image < 0 ? (position ?? -1) : this.data.positions[image],
      })),
      hold: this.pins.hold,
      between: this.pins.between,
    };
  }

  /** A change that a link keeps: draw it, and tell Python once nothing else follows. */
  changed() {
    this.refresh();
    this.viewport.snap();
    this.report(this.currentView());
  }

  change(part, placed = false) {
    Object.assign(this.view, part);
    if (placed) {
      const held = this.pins.hold;
      this.placePoints();
      this.viewport.reset();
      this.here = [this.viewport.home[0], this.viewport.home[1]];
      this.pins.hold = held;
      this.clearSelection();
    }
    this.changed();
  }

  changeAxis(which, index) {
    const axes = [...this.view.axes];
    if (axes[1 - which] === index) axes[1 - which] = axes[which]; // they change places
    axes[which] = index;
    this.change({ axes }, true);
  }

  holdAt(pin) {
    this.pins.hold = pin;
    this.manifold.clear();
    this.changed();
  }

  greyed() {
    this.hide();
    this.changed();
  }

  pinsChanged(moved) {
    if (moved) this.manifold.clear();
    this.changed();
  }

  gestureTargets() {
    return {
      at: (px, py, hovering) => this.point(px, py, hovering),
      left: () => this.unhover(),
      pan: (dx, dy) => {
        this.viewport.pan(dx, dy);
        this.moving();
      },
      zoom: (px, py, factor) => {
        this.viewport.zoom(px, py, factor);
        this.moving();
      },
      click: (px, py, event) => this.pinAt(px, py, event.shiftKey),
      outline: (path, isBox, ended) => this.outlined(path, isBox, ended),
      key: (event) => this.key(event),
      rest: () => this.rested(),
    };
  }

  rested() {
    const before = JSON.stringify(this.lastWindow ?? null);
    this.viewport.snap();
    this.lastWindow = this.viewport.isHome ? null : this.viewport.window;
    if (JSON.stringify(this.lastWindow) !== before) this.changed();
  }

  resetZoom() {
    this.viewport.reset();
    this.changed();
  }

  zoomAtCrosshair(factor) {
    const [px, py] = this.viewport.toPixel(...this.here);
    const { left, top, side } = this.viewport;
    const seen = this.viewport.contains(px, py);
    this.viewport.zoom(...(seen ? [px, py] : [left + side / 2, top + side / 2]), factor);
    this.changed();
  }

  point(px, py, hovering) {
    if (!this.viewport.contains(px, py)) {
      this.unhover();
      return;
    }
    this.hovering = hovering;
    this.here = this.viewport.toPlane(px, py);
    this.drawSurface();
  }

  unhover() {
    if (!this.hovering) return;
    this.hovering = false;
    this.drawSurface();
  }

  pinAt(px, py, image) {
    if (!this.viewport.contains(px, py)) return;
    this.here = this.viewport.toPlane(px, py);
    this.pinHere(image || !this.data.plane);
  }

  pinHere(image) {
    const row = image ? this.data.nearest(...this.here) : -1;
    const z = image ? this.data.codeOfImage(row) : this.data.codeAt(...this.here, this.held());
    if (!z) return;
    const added = this.pins.add(linkedCode(z), row);
    this.say(added ? `Pin ${this.pins.list.length}.` : "No more pins: remove one first.");
  }

  outlined(path, isBox, ended) {
    const [[x0, y0], [x1, y1]] = [path[0], path.at(-1)];
    const corners = [
      [x0, y0],
      [x1, y0],
      [x1, y1],
      [x0, y1],
    ];
    const places = (isBox ? corners : path).map((place) => this.viewport.toPlane(...place));
    this.outline = places;
    if (ended) {
      const chosen = members(places, this.points());
      if (chosen.length) {
        const { names, colours } = this.data.header;
        this.selection.show(chosen, this.data.classes, { names, colours });
      } else this.selection.clear();
      this.say(`${chosen.length} images selected.`);
    }
    this.drawSurface();
  }

  clearSelection() {
    this.outline = null;
    this.selection.clear();
    this.drawSurface();
  }

  /** The pin that is looked at (or the mean), moved along the attribute of the selection. */
  applied(strength, rest, keepIt) {
    const { data, pins } = this;
    const pin = pins.list[pins.chosen];
    const target = pin ? `pin ${pins.chosen + 1}` : "the mean code";
    const chosen = this.selection.chosen.filter((index) => index < data.codeCount);
    if (!chosen.length || !data.plane) return { target, image: new Uint8Array(data.width) };
    const direction = attribute((index) => data.codeRow(index), data.codeCount, chosen, rest);
    const z = Float32Array.from(pin?.z ?? data.plane.mean);
    const own = data.model.layer(z, data.layer);
    direction.forEach((value, i) => {
      own[i] += strength * value;
      if (data.model.isBernoulli) own[i] = Math.min(1, Math.max(0, own[i]));
    });
    if (keepIt) pins.add(linkedCode(z));
    return { target, image: data.decode(z) };
  }

  key(event) {
    const step = ARROWS[event.key];
    const digit = /^[0-9]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (step) this.step(step, event.shiftKey ? 5 : 1);
    else if (event.key === "Enter") this.pinHere(event.shiftKey || !this.data.plane);
    else if (event.key === "+" || event.key === "=") this.zoomAtCrosshair(1.6);
    else if (event.key === "-") this.zoomAtCrosshair(1 / 1.6);
    else if (event.key === "Home") this.resetZoom();
    else if (event.key === "Delete") this.pins.remove(this.pins.chosen);
    else if (event.key === "Escape") {
      if (this.outline) this.clearSelection();
      else this.pins.clear();
    } else if (digit) {
      const named = this.data.header.names.indexOf(event.key);
      this.legend.toggle(named >= 0 ? named : Number(event.key));
    } else return;
    event.preventDefault();
  }

  step([dx, dy], times) {
    const by = (this.viewport.half / 40) * times;
    this.hovering = false;
    this.here = [this.here[0] + dx * by, this.here[1] + dy * by];
    const [px, py] = this.viewport.toPixel(...this.here);
    const { left, top, side } = this.viewport;
    const beyond = [px - left, py - top].map((at) => Math.min(at, 0) + Math.max(at - side, 0));
    if (beyond[0] || beyond[1]) {
      this.viewport.pan(-beyond[0], -beyond[1]);
      this.drawBase();
      this.report(this.currentView());
    }
    this.drawSurface();
  }
}
