/** Probabilities of binary units: a strip of bars for each layer, and the units that changed most. */

import { el, theme } from "../dom.js";

const CHANGED = 0.1; // a smaller change is not pointed out
export const MOST_CHANGED = 10;

/** Indices of the `count` largest changes of absolute value, largest first. */
export function largestChanges(now, before, count) {
  const order = Array.from(now, (_, i) => i);
  const size = (i) => Math.abs(now[i] - before[i]);
  return order.sort((a, b) => size(b) - size(a)).slice(0, count);
}

export class UnitBars {
  /** @param {number[]} layerSizes layer 1 first, as in the code z. */
  constructor(layerSizes) {
    this.layerSizes = layerSizes;
    this.sorted = true;
    this.strips = layerSizes.map((size, index) =>
      el("canvas", {
        class: "strip",
        role: "img",
        "aria-label": `Probabilities of the ${size} units of layer ${index + 1}`,
      }),
    );
    this.top = el("canvas", {
      class: "changes",
      role: "img",
      "aria-label": "The units that changed most since the start image",
    });
    const columns = [];
    for (let index = layerSizes.length - 1; index >= 0; index--) {
      const note = index === layerSizes.length - 1 && index ? ", the deepest" : "";
      columns.push(
        el("figcaption", {}, `Layer ${index + 1}: ${layerSizes[index]} units${note}`),
        this.strips[index],
      );
    }
    this.node = el("div", { class: "units stack" }, ...columns);
    this.changes = el(
      "figure",
      { class: "panel" },
      el("figcaption", {}, "Most changed units"),
      this.top,
    );
  }

  /**
   * @param {Float32Array} now probabilities of all layers.
   * @param {Float32Array} before those at the start image.
   * @param {?Float32Array} posterior the true ones as far as they are known.
   * @param {boolean} faded whether `posterior` belongs to the image before this stroke.
   */
  draw(now, before, posterior, faded) {
    let start = 0;
    this.layerSizes.forEach((size, index) => {
      const part = (values) => values?.subarray(start, start + size) ?? null;
      this.#strip(this.strips[index], part(now), part(before), part(posterior), faded);
      start += size;
    });
    this.#changes(now, before, posterior, faded);
  }

  /** What is drawn, in words. */
  words(now, before) {
    let entropy = 0;
    let on = 0;
    let change = 0;
    now.forEach((p, i) => {
      if (p > 0 && p < 1) entropy -= p * Math.log2(p) + (1 - p) * Math.log2(1 - p);
      on += p;
      change = Math.max(change, Math.abs(p - before[i]));
    });
    return (
      `${on.toFixed(1)} of ${now.length} units on, on average; ` +
      `uncertainty ${entropy.toFixed(1)} bits; largest change ${change.toFixed(2)}`
    );
  }

  #prepare(canvas) {
    const ratio = Math.min(globalThis.devicePixelRatio || 1, 2);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return null;
    const wanted = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wanted[0]) canvas.width = wanted[0];
    if (canvas.height !== wanted[1]) canvas.height = wanted[1];
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const look = theme(canvas.getRootNode());
    context.fillStyle = look.background;
    context.fillRect(0, 0, width, height);
    context.font = `12px ${look.font}`;
    return { context, width, height, look };
  }

  #strip(canvas, now, before, posterior, faded) {
    const ready = this.#prepare(canvas);
    if (!ready) return;
    const { context, width, height, look } = ready;
    const order = Array.from(now, (_, i) => i);
    if (this.sorted) order.sort((a, b) => before[b] - before[a]);
    const [left, foot] = [26, height - 6];
    const scale = foot - 6;
    const step = (width - left) / now.length;
    context.fillStyle = look.text;
    context.strokeStyle = look.border;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of [0, 0.5, 1]) {
      const y = foot - value * scale;
      context.fillText(value === 0.5 ? "½" : String(value), left - 6, y);
      context.beginPath();
      context.moveTo(left, y);
      context.lineTo(width, y);
      context.stroke();
    }
    const bar = Math.max(step - (step > 3 ? 1 : 0), 0.8);
    order.forEach((unit, place) => {
      const x = left + place * step;
      const changed = Math.abs(now[unit] - before[unit]) >= CHANGED;
      context.fillStyle = changed ? look.series[1] : look.series[0];
      context.fillRect(x, foot - now[unit] * scale, bar, Math.max(now[unit] * scale, 0.5));
      if (changed) {
        context.fillStyle = look.text; // where it was
        context.fillRect(x, foot - before[unit] * scale - 1, Math.max(bar, 2), 2);
      }
      if (posterior) {
        context.globalAlpha = faded ? 0.3 : 1;
        context.fillStyle = look.series[2];
        context.fillRect(x - 0.5, foot - posterior[unit] * scale - 1, Math.max(bar, 2), 2);
        context.globalAlpha = 1;
      }
    });
  }

  #changes(now, before, posterior, faded) {
    const ready = this.#prepare(this.top);
    if (!ready) return;
    const { context, width, height, look } = ready;
    const row = height / MOST_CHANGED;
    const [left, right] = [104, width - 92];
    const several = this.layerSizes.length > 1;
    context.textBaseline = "middle";
    largestChanges(now, before, MOST_CHANGED).forEach((unit, place) => {
      const y = (place + 0.5) * row;
      const x = (value) => left + value * (right - left);
      const changed = Math.abs(now[unit] - before[unit]) >= CHANGED;
      context.fillStyle = look.faint;
      context.fillRect(left, y - row / 2 + 3, right - left, row - 6);
      context.fillStyle = changed ? look.series[1] : look.series[0];
      context.fillRect(left, y - row / 2 + 3, Math.max(x(now[unit]) - left, 1), row - 6);
      context.fillStyle = look.text;
      context.fillRect(x(before[unit]) - 1, y - row / 2 + 1, 2, row - 2);
      if (posterior) {
        context.globalAlpha = faded ? 0.3 : 1;
        context.fillStyle = look.series[2];
        context.beginPath();
        context.arc(x(posterior[unit]), y, 4.5, 0, 2 * Math.PI);
        context.fill();
        context.globalAlpha = 1;
      }
      context.fillStyle = look.text;
      context.textAlign = "left";
      context.fillText(this.#name(unit, several), 0, y);
      context.fillText(`${before[unit].toFixed(2)} → ${now[unit].toFixed(2)}`, right + 10, y);
    });
  }

  #name(unit, several) {
    let [layer, index] = [0, unit];
    while (index >= this.layerSizes[layer]) index -= this.layerSizes[layer++];
    return several ? `layer ${layer + 1}, ${index + 1}` : `unit ${index + 1}`;
  }
}
