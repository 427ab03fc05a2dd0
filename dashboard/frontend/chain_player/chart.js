/** A canvas for charts, with a layer behind it for what is drawn once and copied often. */

import { el } from "../dom.js";

/** A canvas that keeps its size on the page, and its pixels those of the screen. */
export class Chart {
  /**
   * @param {string} label for readers who cannot see it.
   * @param {number} height in CSS pixels.
   * @param {function} redraw called when the size has changed.
   */
  constructor(label, height, redraw) {
    this.canvas = el("canvas", { role: "img", "aria-label": label, class: "chart" });
    this.canvas.style.height = `${height}px`;
    this.layer = document.createElement("canvas");
    this.height = height;
    this.width = 0;
    this.observer = new ResizeObserver(() => {
      if (this.fit()) redraw();
    });
    this.observer.observe(this.canvas);
  }

  /** Take the size of the page; whether it changed. */
  fit() {
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    if (!width || (width === this.width && ratio === this.ratio)) return false;
    this.width = width;
    this.ratio = ratio;
    for (const canvas of [this.canvas, this.layer]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(this.height * ratio);
    }
    return true;
  }

  /** A context in CSS pixels of the canvas, or of the layer behind it, wiped. */
  context(canvas = this.canvas) {
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    return context;
  }

  /** Copy a part of the layer, from `left` to `right`, to the canvas. */
  copy(context, left, right, alpha = 1) {
    const [from, to] = [left, right].map((x) => Math.round(x * this.ratio));
    if (to <= from) return;
    context.save();
    context.globalAlpha = alpha;
    context.setTransform(1, 0, 0, 1, 0, 0);
    const height = this.layer.height;
    context.drawImage(this.layer, from, 0, to - from, height, from, 0, to - from, height);
    context.restore();
  }

  destroy() {
    this.observer.disconnect();
  }
}
