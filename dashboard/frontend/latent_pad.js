/**
 * The latent pad: a map of codes on which the decoded image follows the pointer.
 *
 * Everything that moves is computed here; Python hears of the view (`setStateValue("view", …)`)
 * once it has come to rest.
 */

import { readHeader, unpack } from "./blob.js";
import { whenThere } from "./details.js";
import { debounced, eachFrame, el, keep, rgb, theme } from "./dom.js";
import { gestures } from "./gestures.js";
import { Inspector } from "./inspector.js";
import { journey, linkedCode, spherical, straight } from "./interpolation.js";
import { Legend } from "./legend.js";
import { nearestCode } from "./meter.js";
import { Controls } from "./pad_controls.js";
import { PadMap, ramp } from "./pad_map.js";
import { PadModel } from "./pad_model.js";
import { Pins } from "./pins.js";
import { pixel } from "./points.js";
import { attribute, members, Selection } from "./selection.js";
import { Manifold, Thumbnails } from "./tiles.js";
import { Viewport } from "./viewport.js";

const SLICE = 7; // milliseconds of a frame that the manifold may take
const GAPS = 40; // codes whose distance to their neighbour makes the usual one
const KEYS =
  "Arrow keys move the crosshair, with Shift faster. Enter pins the place, Shift and Enter the " +
  "nearest image. Plus and minus zoom, Home shows everything. Number keys grey a class. Escape " +
  "clears the selection, then the pins.";
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

class Pad {
  constructor(component) {
    this.report = debounced((view) => this.component.setStateValue("view", view), 400);
    this.root = component.parentElement;
    this.viewport = new Viewport();
    this.view = { show: "points", axes: [0, 1], scale: "linear", tool: "move" };
    this.here = null;
    this.outline = null;
    this.drawBase = eachFrame(() => this.paintBase());
    this.drawSurface = eachFrame(() => this.paintSurface());
    this.say = debounced((text) => {
      this.spoken.textContent = text;
    }, 500);
    this.observer = new ResizeObserver(() => this.resize());
  }

  /** Build everything for a message about another map. */
  build(message) {
    const known = this.data ? { pins: this.pins, view: this.currentView() } : null;
    const { header } = message;
    this.data = new PadModel(message);
    this.inspector = new Inspector(header.shape);
    this.usual = 0;
    this.nearRow = null;
    const data = this.data;
    const image = (index) => data.image(index);
    this.pins = new Pins(header.shape, {
      decode: (z) => data.decode(z),
      changed: (moved = true) => this.pinsChanged(moved),
      image,
      neighbours: (z, without, count) => data.neighbours(z, without, count),
      title: (index) => data.title(index),
    });
    Object.assign(this.pins.on, { model: data.model, layer: data.layer });
    this.selection = new Selection(header.shape, {
      image,
      redrawn: (index) => data.redrawn(index),
      clear: () => this.clearSelection(),
      applied: (strength, rest, keepIt) => this.applied(strength, rest, keepIt),
    });
    this.legend = new Legend((grey) => this.greyed(grey));
    this.legend.show(header.names, header.colours, {
      colours: header.ramp,
      last: header.total - 1,
    });
    this.controls = new Controls({
      tool: (tool) => this.change({ tool }),
      show: (show) => this.change({ show }),
      axis: (which, index) => this.changeAxis(which, index),
      scale: (scale) => this.change({ scale }, true),
      held: (pin) => this.holdAt(pin),
      zoom: (factor) => this.zoomAtCrosshair(factor),
      reset: () => this.resetZoom(),
      picture: () => this.download(),
    });
    this.controls.offer({
      titles: header.titles,
      quantiles: header.quantiles,
      others: Boolean(data.plane) && data.plane.rest.length > 2,
      hasPlane: header.has_plane,
    });
    this.map = new PadMap(header.label, "keys");
    this.stopGestures?.();
    this.stopGestures = gestures(this.map.surface, this.gestureTargets(), () => this.view.tool);
    this.spoken = el("div", { class: "unseen", "aria-live": "polite" });
    const left = el("div", { class: "stack" }, this.controls.node, this.map.node, this.legend.node);
    const right = el(
      "div",
      { class: "stack" },
      this.inspector.node,
      this.selection.node,
      this.pins.node,
    );
    const keys = el("div", { class: "unseen", id: "keys" }, KEYS);
    const whole = el("div", { class: "pad" }, left, right, keys, this.spoken);
    for (const old of this.root.querySelectorAll(".pad")) old.remove();
    this.root.append(whole);
    this.left = left;
    this.observer.disconnect();
    this.observer.observe(left);
    this.manifold = new Manifold((x, y) => data.tile(x, y, this.held()), header.shape);
    this.thumbnails = null;
    this.palette = header.names.length
      ? Uint32Array.from({ length: 256 }, (_, i) => pixel(rgb(header.colours[i % 10])))
      : ramp(header.ramp);
    this.apply(known && header.view_token === this.viewToken ? known.view : header.view);
    this.viewToken = header.view_token;
    if (header.details) whenThere(header.token, (details) => this.detailsCame(data, details));
  }

  detailsCame(data, details) {
    if (data !== this.data) return;
    data.add(details);
    const { names, colours } = data.header;
    this.thumbnails = new Thumbnails(
      data.header.shape,
      (index) => data.image(index),
      (index) => (names.length ? rgb(colours[data.classes[index] % colours.length]) : null),
    );
    for (const pin of this.pins.list) {
      if (pin.image < 0 && pin.position >= 0) pin.image = data.rowOf(pin.position);
    }
    this.nearRow = null;
    this.pins.show();
    this.drawBase();
    this.drawSurface();
    this.measureGap(data, []);
  }

  /** The usual distance between neighbouring codes, one code at a time between other work. */
  measureGap(data, gaps) {
    if (data !== this.data || data.codeCount < 2) return;
    const k = gaps.length;
    if (k < Math.min(GAPS, data.codeCount)) {
      gaps.push(nearestCode(data.codes, data.codeRow(k), k).distance);
      this.timer = setTimeout(() => this.measureGap(data, gaps), 4);
      return;
    }
    gaps.sort((a, b) => a - b);
    this.usual = gaps[gaps.length >> 1];
    this.drawSurface();
  }

  /** Show a view as `currentView` gives it. */
  apply(view) {
    this.view = { show: view.show, axes: view.axes, scale: view.scale, tool: view.tool };
    this.legend.set(view.grey, true);
    this.hide();
    this.pins.list = view.pins.map(({ z, image }) => ({
      z: Float32Array.from(z),
      image: this.data.rowOf(image),
      position: image,
    }));
    Object.assign(this.pins, { hold: view.hold, between: view.between });
    this.pins.chosen = this.pins.list.length - 1;
    this.placePoints();
    if (view.window) this.viewport.window = view.window;
    else this.viewport.reset();
    this.here = this.pins.list.length ? this.data.locate(this.pins.list.at(-1)) : null;
    this.here ??= [this.viewport.home[0], this.viewport.home[1]];
    if (!view.pins.length && this.data.plane && view.scale === "linear" && !view.window) {
      this.here = this.data.plane.project(this.data.plane.mean);
    }
    this.pins.show();
    this.resize();
    this.refresh();
  }

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

  refresh() {
    this.controls.show({ ...this.view, hold: this.pins.hold, pins: this.pins.list.length });
    this.drawBase();
    this.drawSurface();
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

  placePoints() {
    const quantiles = this.view.scale === "quantiles";
    this.data.choose(this.view.axes, quantiles);
    this.viewport.setHome(...this.data.square(quantiles));
    this.manifold.clear();
  }

  held() {
    return this.pins.list[this.pins.hold]?.z ?? this.data.plane?.mean;
  }

  holdAt(pin) {
    this.pins.hold = pin;
    this.manifold.clear();
    this.changed();
  }

  hide() {
    this.data.hidden.fill(0);
    for (const index of this.legend.grey) this.data.hidden[index] = 1;
    this.nearRow = null;
  }

  greyed() {
    this.hide();
    this.changed();
  }

  pinsChanged(moved) {
    if (moved) this.manifold.clear();
    this.changed();
  }

  resize() {
    const width = Math.min(this.left.clientWidth, 640);
    if (!width || (width === this.width && this.map === this.sized)) return;
    [this.width, this.sized] = [width, this.map];
    this.viewport.resize(width);
    this.map.resize(this.viewport);
    // At once: a canvas that has changed its size is empty until it is drawn.
    this.paintBase();
    this.paintSurface();
  }

  gestureTargets() {
    return {
      at: (px, py) => this.point(px, py),
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

  moving() {
    this.drawBase();
    this.drawSurface();
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

  point(px, py) {
    if (!this.viewport.contains(px, py)) return;
    this.here = this.viewport.toPlane(px, py);
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

  points() {
    const { xs, ys, classes, hidden } = this.data;
    return { xs, ys, classes, hidden };
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

  titles() {
    const { titles, quantiles } = this.data.header;
    return this.view.axes.map((axis, which) => {
      const { name, share, unit } = titles[axis];
      if (quantiles && this.view.scale === "quantiles") {
        return [`Φ(z${"₁₂"[which]}), prior probability`];
      }
      const short = share ? `${name.replace("principal ", "")}: ${share}` : name;
      if (!share) return [`${name} (${unit})`, name];
      return [`${name}: ${share} of the variance (${unit})`, `${name}: ${share} (${unit})`, short];
    });
  }

  paintBase() {
    const { viewport, view, data } = this;
    if (view.show === "manifold" && !this.manifold.work(viewport, SLICE)) this.drawBase();
    this.map.drawBase({
      viewport,
      colours: this.colours,
      points: this.points(),
      palette: this.palette,
      show: view.show,
      manifold: this.manifold,
      thumbnails: this.thumbnails,
      imageCount: data.imageCount,
      titles: this.titles(),
    });
  }

  paintSurface(pointer = true) {
    const { viewport, data, pins } = this;
    const near = data.nearest(...this.here);
    this.map.drawSurface({
      viewport,
      colours: this.colours,
      here: pointer ? this.here : null,
      nearest: pointer && near >= 0 ? [data.xs[near], data.ys[near]] : null,
      pins: pins.list.map((pin, i) => ({ place: data.locate(pin), chosen: i === pins.chosen })),
      ways: this.ways(),
      outline: this.outline?.map((place) => viewport.toPixel(...place)),
    });
    if (pointer) this.inspect(near);
  }

  /** Both ways between the two pins, as the plane shows them. */
  ways() {
    const { data, pins } = this;
    const [a, b] = pins.between.map((index) => pins.list[index]?.z);
    if (!data.plane || !a || !b) return [];
    const path = (way) => journey(data.model, a, b, 25, way).map((z) => data.plane.project(z));
    return [
      { path: path(straight), dash: [] },
      { path: path(spherical), dash: [4, 4] },
    ];
  }

  /** Everything about the crosshair's place: image, nearest image, meter. */
  inspect(near) {
    const { data, inspector } = this;
    if (!data.model) return;
    const z = data.codeAt(...this.here, this.held());
    inspector.showDecoded(z && data.decode(z));
    const key = data.details ? near : -1 - near;
    if (key !== this.nearRow) {
      this.nearRow = key;
      inspector.showNearest(data.image(near), data.redrawn(near), data.title(near) || "No image");
    }
    const axes = this.view.scale === "quantiles" ? ["Φ(z₁)", "Φ(z₂)"] : this.axisNames();
    const words = [inspector.showPlace(...this.here, axes)];
    if (z) {
      words.push(inspector.showPrior(data.model, z, data.layer));
      const found = data.nearestCode(z);
      const many = `${data.codeCount}`.replace(/\B(?=(\d{3})+$)/g, " ");
      const where = data.latents === 2 ? "both latents" : `all ${data.latents} latents`;
      const label = found && data.label(found.index);
      const gap = found && {
        distance: found.distance,
        usual: this.usual,
        words: `the nearest of ${many} codes, in ${where}`,
        label: label ? `: class ${label}` : "",
      };
      words.push(inspector.showGap(gap));
    }
    inspector.note.textContent = data.header.note;
    this.say(words.join(". "));
  }

  axisNames() {
    if (!this.data.plane) return ["x", "y"];
    if (this.data.latents === 2) return ["z₁", "z₂"];
    return this.view.axes.map((axis) => `axis ${axis + 1}`);
  }

  /** The map as it is, without the crosshair, as a file. */
  download() {
    this.paintSurface(false);
    const whole = el("canvas", { width: this.map.base.width, height: this.map.base.height });
    const context = whole.getContext("2d");
    context.drawImage(this.map.base, 0, 0);
    context.drawImage(this.map.surface, 0, 0);
    this.drawSurface();
    whole.toBlob((blob) => {
      const href = URL.createObjectURL(blob);
      el("a", { href, download: "latent-space.png" }).click();
      setTimeout(() => URL.revokeObjectURL(href), 10_000);
    });
  }

  update(component) {
    this.component = component;
    this.colours = theme(this.root);
    const header = readHeader(component.data);
    if (header.token !== this.token) {
      this.token = header.token;
      this.build(unpack(component.data));
    } else if (header.view_token !== this.viewToken) {
      this.viewToken = header.view_token;
      this.apply(header.view);
    } else this.refresh();
  }

  destroy() {
    this.observer.disconnect();
    this.stopGestures?.();
    clearTimeout(this.timer);
    for (const stop of [this.drawBase, this.drawSurface, this.report, this.say]) stop.cancel();
    this.selection?.clear();
    this.data = null;
  }
}

export default function (component) {
  return keep(component, (first) => new Pad(first));
}
