/** How the latent pad looks: its canvases and the panel beside them. */

import { eachFrame, el } from "../dom.js";
import { journey, spherical, straight } from "./interpolation.js";

const HOVER = 12; // screen pixels from the pointer to a point that shows its image
const SLICE = 7; // milliseconds of a frame that the manifold may take

/** Draws what `latent_pad.js` builds: data, viewport, map, pins, legend, inspector, manifold. */
export class PadScene {
  constructor() {
    this.drawBase = eachFrame(() => this.paintBase());
    this.drawSurface = eachFrame(() => this.paintSurface());
  }

  placePoints() {
    const quantiles = this.view.scale === "quantiles";
    this.data.choose(this.view.axes, quantiles);
    this.viewport.setHome(...this.data.square(quantiles));
    this.manifold.clear();
  }

  hide() {
    this.data.hidden.fill(0);
    for (const index of this.legend.grey) this.data.hidden[index] = 1;
    this.nearRow = null;
  }

  held() {
    return this.pins.list[this.pins.hold]?.z ?? this.data.plane?.mean;
  }

  points() {
    const { xs, ys, classes, hidden } = this.data;
    return { xs, ys, classes, hidden };
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

  axisNames() {
    if (!this.data.plane) return ["x", "y"];
    if (this.data.latents === 2) return ["z₁", "z₂"];
    return this.view.axes.map((axis) => `axis ${axis + 1}`);
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
    const spot = near >= 0 ? [data.xs[near], data.ys[near]] : null;
    this.map.drawSurface({
      viewport,
      colours: this.colours,
      here: pointer ? this.here : null,
      nearest: pointer ? spot : null,
      thumbnail: pointer && spot ? this.hovered(near, spot) : null,
      pins: pins.list.map((pin, i) => ({ place: data.locate(pin), chosen: i === pins.chosen })),
      ways: this.ways(),
      outline: this.outline?.map((place) => viewport.toPixel(...place)),
    });
    if (pointer) this.inspect(near);
  }

  /** The image of a point that the mouse is at, for the map; where images are shown, none. */
  hovered(row, spot) {
    if (!this.hovering || this.view.show !== "points") return null;
    const [[x0, y0], [x1, y1]] = [this.here, spot].map((place) => this.viewport.toPixel(...place));
    const there = Math.hypot(x1 - x0, y1 - y0) <= HOVER && row < this.data.imageCount;
    return there ? (this.thumbnails?.of(row) ?? null) : null;
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
    const words = [inspector.showPlace(...this.here, axes, this.viewport.digits)];
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
        digits: data.latents === 2 ? this.viewport.digits : 2,
      };
      words.push(inspector.showGap(gap));
    }
    inspector.note.textContent = data.header.note;
    this.say(words.join(". "));
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

  refresh() {
    this.controls.show({ ...this.view, hold: this.pins.hold, pins: this.pins.list.length });
    this.drawBase();
    this.drawSurface();
  }

  moving() {
    this.drawBase();
    this.drawSurface();
  }
}
