/** Small helpers that every component uses: elements, theme, frames, images. */

/**
 * An element with attributes, properties and children.
 *
 * Text becomes text nodes, never HTML: nothing that a visitor wrote is ever parsed.
 *
 * @param {string} tag
 * @param {object} attributes `class`, `aria-…`, …; functions named `onclick` etc. are listeners;
 *   `null` and `false` leave an attribute out.
 * @param {...(Node|string)} children
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children);
  return node;
}

/** A button with a text that is both seen and read aloud. */
export function button(text, onclick, attributes = {}) {
  return el("button", { type: "button", onclick, ...attributes }, text);
}

/** The colours of Streamlit's theme, light or dark, as they are now around `node`. */
export function theme(node) {
  const host = node instanceof ShadowRoot ? node.host : node;
  const style = getComputedStyle(host);
  const read = (name, otherwise) => style.getPropertyValue(`--st-${name}`).trim() || otherwise;
  return {
    text: read("text-color", "#1b2733"),
    background: read("background-color", "#ffffff"),
    faint: read("secondary-background-color", "#f2f5f8"),
    border: read("border-color", "#d5dde5"),
    primary: read("primary-color", "#0072b2"),
    font: read("font", "sans-serif"),
    series: read("chart-categorical-colors", "#0072b2,#d55e00,#009e73,#cc79a7").split(","),
  };
}

/** "#rrggbb" (or "rgb(…)") as three numbers 0 to 255. */
export function rgb(colour) {
  if (colour.startsWith("#")) {
    return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  }
  return (colour.match(/[\d.]+/g) ?? [0, 0, 0]).slice(0, 3).map(Number);
}

/** Whether the visitor asked the system for less motion. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Call `draw` at most once a frame, however often it is asked for. */
export function eachFrame(draw) {
  let wanted = 0;
  const ask = () => {
    if (!wanted) {
      wanted = requestAnimationFrame(() => {
        wanted = 0;
        draw();
      });
    }
  };
  ask.cancel = () => {
    cancelAnimationFrame(wanted);
    wanted = 0;
  };
  return ask;
}

/** Call `report` once nothing new was said for `milliseconds`; `.now()` does not wait. */
export function debounced(report, milliseconds = 250) {
  let timer = 0;
  let last = [];
  const later = (...values) => {
    last = values;
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = 0;
      report(...last);
    }, milliseconds);
  };
  later.cancel = () => clearTimeout(timer);
  later.now = (...values) => {
    clearTimeout(timer);
    report(...values);
  };
  return later;
}

/** A canvas for images of `width` x `height` pixels, shown sharp at whatever size CSS gives it. */
export function imageCanvas(width, height, label) {
  return el("canvas", { width, height, class: "pixels", role: "img", "aria-label": label });
}

/**
 * Paint values in [0, 1] (Float32Array) or bytes (Uint8Array), grey or in colour.
 *
 * @param {HTMLCanvasElement} canvas of the image's own size.
 * @param {Float32Array|Uint8Array} values `(height * width,)`, or three times as many: red, green
 *   and blue of each pixel.
 */
export function paint(canvas, values) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const scale = values instanceof Uint8Array ? 1 : 255;
  const pixels = canvas.width * canvas.height;
  const [step, green, blue] = values.length > pixels ? [3, 1, 2] : [1, 0, 0];
  for (let i = 0; i < pixels; i++) {
    // Uint8ClampedArray rounds and clips
    image.data[4 * i] = values[step * i] * scale;
    image.data[4 * i + 1] = values[step * i + green] * scale;
    image.data[4 * i + 2] = values[step * i + blue] * scale;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/**
 * The one object that stays with an element while Streamlit calls the component again and again.
 *
 * Streamlit calls the module's function at each rerun that brings data, and when the theme changes.
 *
 * @param {object} component what Streamlit passes in.
 * @param {function(object): {update: function, destroy: function}} create makes the object once.
 * @returns {function} what the module's function returns to Streamlit.
 */
export function keep(component, create) {
  const root = component.parentElement;
  if (!kept.has(root)) kept.set(root, create(component));
  const instance = kept.get(root);
  instance.update(component);
  return () => {
    if (kept.get(root) === instance) kept.delete(root);
    instance.destroy();
  };
}

const kept = new WeakMap();
