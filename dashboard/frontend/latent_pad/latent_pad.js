/**
 * The latent pad: a map of codes on which the decoded image follows the pointer.
 *
 * Everything that moves is computed here; Python hears of the view (`setStateValue("view", …)`)
 * once it has come to rest.
 */

import { readHeader, unpack } from "../blob.js";
import { debounced, el, keep, rgb, theme } from "../dom.js";
import { whenThere } from "./details.js";
import { gestures } from "./gestures.js";
import { Inspector } from "./inspector.js";
import { Legend } from "./legend.js";
import { nearestCode } from "./meter.js";
import { PadActions } from "./pad_actions.js";
import { Controls } from "./pad_controls.js";
import { PadMap, ramp } from "./pad_map.js";
import { PadModel } from "./pad_model.js";
import { Pins } from "./pins.js";
import { pixel } from "./points.js";
import { Selection } from "./selection.js";
import { Manifold, Thumbnails } from "./tiles.js";
import { Viewport } from "./viewport.js";

const GAPS = 40; // codes whose distance to their neighbour makes the usual one
const KEYS =
  "Arrow keys move the crosshair, with Shift faster. Enter pins the place, Shift and Enter the " +
  "nearest image. Plus and minus zoom, Home shows everything. Number keys grey a class. Escape " +
  "clears the selection, then the pins.";

class Pad extends PadActions {
  constructor(component) {
    super();
    this.report = debounced((view) => this.component.setStateValue("view", view), 400);
    this.root = component.parentElement;
    this.viewport = new Viewport();
    this.view = { show: "points", axes: [0, 1], scale: "linear", tool: "move" };
    this.here = null;
    this.outline = null;
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
    const left = el("div", { class: "stack" }, this.map.node, this.legend.node);
    const right = el(
      "div",
      { class: "stack" },
      this.inspector.node,
      this.selection.node,
      this.pins.node,
    );
    const keys = el("div", { class: "unseen", id: "keys" }, KEYS);
    const way = this.pins.way;
    const whole = el("div", { class: "pad" }, this.controls.node, left, right, way, keys);
    whole.append(this.spoken);
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
