/**
 * The recognition microscope: draw on an image and watch q(z|x) follow, frame by frame.
 *
 * Data (constant for a checkpoint): the model (see model.js), `plane.origin`, `plane.axes` and the
 * codes of test images on it. What belongs to one image (the start, the true posterior, q*) comes
 * by recognition_news.js on the channel `header.channel`.
 */

import { unpack } from "./blob.js";
import { Brush } from "./brush.js";
import { subscribe } from "./channel.js";
import { button, debounced, eachFrame, el, imageCanvas, keep, paint, rgb, theme } from "./dom.js";
import { Model } from "./model.js";
import { contour, Plane, tintOf } from "./plane.js";
import { Random } from "./random.js";
import { UnitBars } from "./unit_bars.js";

const DRAWS = 4;
const MOST_DOTS = 24;
const MAP_MARGIN = 1.08;
const LENS_MARGIN = 1.8;
const SIZES = [1, 2, 3, 5];

/** An image as text: bits, eight to a byte, or bytes; as dashboard/recognition.py reads it. */
export function encodeImage(x, isBits) {
  const bytes = new Uint8Array(isBits ? Math.ceil(x.length / 8) : x.length);
  for (let i = 0; i < x.length; i++) {
    if (!isBits) bytes[i] = Math.round(x[i] * 255);
    else if (x[i] >= 0.5) bytes[i >> 3] |= 128 >> (i & 7);
  }
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const signed = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

/** [left, right, bottom, top] of the ellipse of two standard deviations. */
function boxOf({ x, y, covariance: [xx, , yy] }) {
  const [dx, dy] = [2 * Math.sqrt(xx), 2 * Math.sqrt(yy)];
  return [x - dx, x + dx, y - dy, y + dy];
}

class Microscope {
  constructor({ parentElement, data, setStateValue }) {
    this.root = parentElement;
    this.report = setStateValue;
    const { header, arrays } = unpack(data);
    this.header = header;
    this.model = new Model(header.model, arrays);
    [this.height, this.width] = header.image_shape;
    this.isBits = header.is_bits;
    const pixels = this.height * this.width;
    this.x = new Float32Array(pixels);
    this.item = null; // the test image, where there is one
    this.start = new Float32Array(pixels); // the image that was started from
    this.startName = "image";
    this.token = null;
    this.seed = 0;
    this.posterior = null;
    this.local = null;
    this.ofImage = null;
    this.stale = true;
    this.zoom = 1;
    this.tone = 1;
    this.erasing = false;
    if (!this.model.isBernoulli) this.#placeCodes(arrays);
    this.#build(arrays);
    this.draw = eachFrame(() => this.#draw());
    this.tell = debounced(() => this.#tell(), 300);
    this.say = debounced((words) => {
      this.spoken.textContent = words;
    }, 600);
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(this.body);
    this.end = subscribe(header.channel, (news) => this.#hear(news));
  }

  #placeCodes(arrays) {
    const size = this.model.latentDim;
    this.origin = arrays["plane.origin"];
    this.axes = [0, 1].map((i) => arrays["plane.axes"].subarray(i * size, (i + 1) * size));
    this.codes = { points: arrays.points, classes: arrays.classes ?? null };
    const [left, right, bottom, top] = this.header.limits;
    this.whole = {
      x: (left + right) / 2,
      y: (bottom + top) / 2,
      span: Math.max(right - left, top - bottom) * MAP_MARGIN,
    };
  }

  // ------------------------------------------------------------------ the elements

  #build() {
    this.pixels = imageCanvas(this.width, this.height, "");
    this.pixels.setAttribute("aria-hidden", "true");
    this.ring = el("div", { class: "ring", hidden: true });
    this.surface = el(
      "div",
      {
        class: "surface",
        role: "application",
        "aria-label": `Image of ${this.height} by ${this.width} pixels to draw on`,
        "aria-describedby": "keys",
        style: `aspect-ratio: ${this.width} / ${this.height}; --shape: ${this.width / this.height}`,
      },
      this.pixels,
      this.ring,
    );
    this.brush = new Brush(this.surface, {
      width: this.width,
      height: this.height,
      size: 2,
      values: () => this.x,
      ink: (before, coverage, eraser, cell) => this.#ink(before, coverage, eraser, cell),
      changed: (finished) => this.#changed(finished),
      pointed: () => this.#point(),
    });
    this.surface.addEventListener("keydown", (event) => {
      if (event.key === "e") this.#use(!this.erasing);
      else if (event.key === "+") this.#size(1);
      else if (event.key === "-") this.#size(-1);
    });
    this.spoken = el("div", { class: "unseen", "aria-live": "polite" });
    this.readout = el("p", { class: "readout" });
    this.body = el(
      "div",
      { class: this.model.isBernoulli ? "columns of-units" : "columns" },
      el(
        "figure",
        { class: "panel drawing" },
        el("figcaption", {}, "Image x: draw here"),
        this.surface,
        this.#tools(),
        el(
          "p",
          { class: "caption keys", id: "keys" },
          "Keys: arrows move, Space draws (hold it for a line), E changes the tool, + and − the " +
            "brush, Ctrl+Z undoes.",
        ),
      ),
      ...(this.model.isBernoulli ? this.#unitPanels() : this.#mapPanels()),
    );
    this.images = [];
    const pictures = el("div", { class: "row pictures" });
    for (let i = 0; i <= DRAWS; i++) {
      const label = i ? `Draw ${i}` : "At the mean";
      const canvas = imageCanvas(this.width, this.height, `E[x|z], ${label.toLowerCase()}`);
      this.images.push(canvas);
      pictures.append(el("figure", {}, canvas, el("figcaption", {}, label)));
    }
    this.again = button("Other draws", () => {
      this.seed = (this.seed + 1) % 1_000_000;
      this.draw();
      this.tell();
    });
    const redrawn = el(
      "section",
      { class: "stack", "aria-label": "Redrawn images" },
      el("h3", {}, "Redrawn: E[x|z] at z from q(z|x)"),
      pictures,
      el("div", { class: "row" }, this.again),
    );
    this.root.append(
      el("div", { class: "stack" }, this.body, this.#legend(), this.readout, redrawn, this.spoken),
    );
  }

  #tools() {
    this.inkButton = button("Draw", () => this.#use(false), { "aria-pressed": "true" });
    this.eraseButton = button(this.isBits ? "Erase" : "Restore", () => this.#use(true), {
      "aria-pressed": "false",
    });
    this.sizes = el(
      "select",
      {
        "aria-label": "Brush size in pixels",
        onchange: () => {
          this.brush.size = Number(this.sizes.value);
          this.#point();
        },
      },
      ...SIZES.map((size) =>
        el("option", { value: size, selected: size === 2 }, `${size} px brush`),
      ),
    );
    this.undo = button("Undo", () => this.brush.undo(), { disabled: true });
    this.redo = button("Redo", () => this.brush.redo(), { disabled: true });
    this.itemButton = button("Test image", () => this.#restart("image"));
    this.blankButton = button("Blank", () => this.#restart("blank"));
    const tools = el("div", { class: "row", role: "group", "aria-label": "Tools" });
    tools.append(this.inkButton, this.eraseButton, this.sizes);
    if (!this.isBits) {
      const tone = el("input", {
        type: "range",
        min: 0,
        max: 1,
        step: 0.05,
        value: 1,
        oninput: () => {
          this.tone = Number(tone.value);
        },
      });
      tools.append(el("label", { class: "row" }, "Black", tone, "White"));
    }
    const others = el("div", { class: "row", role: "group", "aria-label": "Image" });
    others.append(this.undo, this.redo, this.itemButton, this.blankButton);
    return el("div", { class: "stack" }, tools, others);
  }

  #mapPanels() {
    const names = this.header.axis_names;
    const canvas = (label) => el("canvas", { class: "map", role: "img", "aria-label": label });
    const [map, lens] = [canvas("Map of the latents with q(z|x)"), canvas("Lens around q(z|x)")];
    this.map = new Plane(map, this.codes);
    this.lens = new Plane(lens, this.codes);
    this.lens.fitted = null;
    const zoom = (factor) => () => {
      this.zoom = Math.min(Math.max(this.zoom * factor, 1 / 64), 8);
      this.draw();
    };
    const title = (words) =>
      el("figcaption", {}, words, el("span", { class: "caption" }, ` ${names.join(", ")}`));
    const colour = button(
      "Classes",
      () => {
        const on = colour.getAttribute("aria-pressed") !== "true";
        colour.setAttribute("aria-pressed", String(on));
        this.#colour(on);
        this.draw();
      },
      { "aria-pressed": "true" },
    );
    this.classes = el("div", { class: "row classes" });
    const below = el("div", { class: "row" });
    if (this.header.class_names.length) below.append(colour, this.classes);
    this.#colour(true);
    return [
      el("figure", { class: "panel whole" }, title("Map"), map, below),
      el(
        "figure",
        { class: "panel" },
        title("Lens"),
        lens,
        el(
          "div",
          { class: "row" },
          button("Closer", zoom(0.5)),
          button("Wider", zoom(2)),
          button("Follow", () => {
            this.zoom = 1;
            this.lens.fitted = null;
            this.draw();
          }),
        ),
      ),
    ];
  }

  #colour(on) {
    const { class_names: names, class_colours: colours } = this.header;
    const shown = on && names.length && this.codes.classes;
    for (const plane of [this.map, this.lens]) plane.colours = shown ? colours : null;
    this.classes.replaceChildren(
      ...(shown
        ? names.map((name, i) =>
            el("span", { class: "key" }, el("i", { style: `background: ${colours[i]}` }), name),
          )
        : []),
    );
  }

  #unitPanels() {
    this.bars = new UnitBars(this.model.layerSizes);
    const sort = button(
      "Sort by the start image",
      () => {
        this.bars.sorted = !this.bars.sorted;
        sort.setAttribute("aria-pressed", String(this.bars.sorted));
        this.draw();
      },
      { "aria-pressed": "true" },
    );
    return [
      el(
        "figure",
        { class: "panel" },
        el("figcaption", {}, "Unit probabilities under q(z|x)"),
        this.bars.node,
        el("div", { class: "row" }, sort),
      ),
      this.bars.changes,
    ];
  }

  #legend() {
    const entry = (name, words) => el("span", { class: "key" }, el("i", { class: name }), words);
    this.posteriorWords = el("span", {}, "");
    this.localEntry = entry("line local", "q*, the best q for this image alone");
    const parts = this.model.isBernoulli
      ? [
          entry("bar", "q(z|x)"),
          entry("bar changed", "changed by 0.1 or more, with a mark where it was"),
          entry("mark", "true posterior"),
        ]
      : [
          entry("line", "q(z|x), 1 and 2 standard deviations"),
          entry("dot", "draws z"),
          entry("line true", "true posterior"),
          this.localEntry,
        ];
    return el("div", { class: "row legend" }, ...parts, this.posteriorWords);
  }

  // ------------------------------------------------------------------ what the visitor does

  #ink(before, coverage, eraser, cell) {
    const erase = eraser || this.erasing;
    if (this.isBits) return coverage >= 0.5 ? Number(!erase) : before;
    const goal = erase ? this.start[cell] : this.tone;
    // whole steps of a byte: what is drawn is then exactly what is sent and linked
    return Math.round((before + coverage * (goal - before)) * 255) / 255;
  }

  #use(erasing) {
    this.erasing = erasing;
    this.inkButton.setAttribute("aria-pressed", String(!erasing));
    this.eraseButton.setAttribute("aria-pressed", String(erasing));
    this.say(erasing ? this.eraseButton.textContent : "Draw");
  }

  #size(step) {
    const at = SIZES.indexOf(this.brush.size) + step;
    this.brush.size = SIZES[Math.min(Math.max(at, 0), SIZES.length - 1)];
    this.sizes.value = String(this.brush.size);
    this.#point();
  }

  #restart(name) {
    this.brush.mark();
    this.startName = name;
    if (name === "blank" || !this.item) this.start.fill(0);
    else this.start.set(this.item);
    this.x.set(this.start);
    this.#baseline();
    this.#changed(true);
  }

  #changed(finished) {
    this.stale = true;
    this.undo.disabled = !this.brush.canUndo;
    this.redo.disabled = !this.brush.canRedo;
    this.draw();
    if (finished) this.tell();
    else this.tell.cancel();
  }

  #point() {
    const { place, size } = this.brush;
    this.ring.hidden = !place;
    if (!place) return;
    const side = (100 * size) / this.width;
    this.ring.style.width = `${side}%`;
    this.ring.style.left = `${(100 * place.x) / this.width - side / 2}%`;
    this.ring.style.top = `calc(${(100 * place.y) / this.height}% - ${side / 2}cqw)`;
    if (place.keys) {
      this.say(`row ${Math.floor(place.y) + 1}, column ${Math.floor(place.x) + 1}`);
    }
  }

  #tell() {
    this.report("view", {
      token: this.token,
      image: encodeImage(this.x, this.isBits),
      start: this.startName,
      seed: this.seed,
    });
  }

  // ------------------------------------------------------------------ what the server says

  #hear({ header, arrays }) {
    if (header.token !== this.token) {
      this.token = header.token;
      this.seed = header.seed;
      this.item = header.has_item ? Float32Array.from(arrays.item, (byte) => byte / 255) : null;
      this.itemButton.disabled = !this.item;
      this.startName = header.start;
      if (header.start === "blank" || !this.item) this.start.fill(0);
      else this.start.set(this.item);
      this.x.set(Float32Array.from(arrays.image, (byte) => byte / 255));
      this.brush.forget();
      this.undo.disabled = true;
      this.redo.disabled = true;
      if (this.lens) this.lens.fitted = null;
      this.#baseline();
    }
    this.ofImage = header.of_image;
    this.posteriorText = header.posterior_words;
    this.posterior = this.#posteriorOf(header, arrays);
    this.local = header.local ?? null;
    this.localEntry.classList.toggle("missing", !this.local); // it is computed on request
    this.stale = encodeImage(this.x, this.isBits) !== this.ofImage;
    this.draw();
  }

  #posteriorOf(header, arrays) {
    if (arrays.probabilities) return { probabilities: arrays.probabilities };
    if (header.normal) return { normal: header.normal };
    if (!arrays.log_density) return null;
    const { columns, rows, box, levels } = header.grid;
    const colour = rgb(theme(this.root).series[2].trim());
    const values = arrays.log_density;
    const lines = levels.map((level) => contour(values, columns, rows, level));
    return {
      density: {
        box,
        columns,
        rows,
        lines,
        tint: tintOf(values, columns, rows, colour),
        inner: header.grid.inner,
      },
    };
  }

  #baseline() {
    if (this.model.isBernoulli) this.before = this.model.recognise(this.start).mean;
  }

  // ------------------------------------------------------------------ a frame

  #project(z) {
    return this.axes.map((axis) => {
      let total = 0;
      for (let i = 0; i < axis.length; i++) total += axis[i] * (z[i] - this.origin[i]);
      return total;
    });
  }

  #draw() {
    if (this.token === null) return;
    const q = this.model.recognise(this.x);
    const random = new Random(this.seed); // the same noise in each frame: draws move with q
    const codes = [];
    for (let i = 0; i < (this.bars ? DRAWS : MOST_DOTS); i++) {
      codes.push(
        this.bars ? this.model.drawRecognition(this.x, random) : this.model.drawGaussian(q, random),
      );
    }
    paint(this.pixels, this.x);
    if (this.bars) {
      this.bars.draw(q.mean, this.before, this.posterior?.probabilities ?? null, this.stale);
    } else this.#drawMaps(q, codes);
    paint(this.images[0], this.model.decode(q.mean));
    for (let i = 0; i < DRAWS; i++) paint(this.images[i + 1], this.model.decode(codes[i]));
    this.#write(q);
  }

  #drawMaps(q, codes) {
    const [x, y] = this.#project(q.mean);
    const covariance = this.model.planeCovariance(q, this.axes);
    this.q = { x, y, covariance };
    this.#aim();
    const { whole } = this;
    this.map.look(whole.x, whole.y, whole.span);
    const places = codes.map((z) => this.#project(z));
    const series = theme(this.root).series.map((colour) => colour.trim());
    const opacity = this.stale ? 0.3 : 1;
    for (const plane of [this.map, this.lens]) {
      if (!plane.begin()) continue;
      const near = plane === this.lens;
      if (this.posterior?.density) plane.density(this.posterior.density, series[2], opacity);
      if (this.posterior?.normal) {
        plane.normal(this.posterior.normal, series[2], { fill: 0.14, width: 2.5, opacity });
      }
      if (near) plane.dots(places, plane.theme.text, 3);
      if (this.local) plane.normal(this.local, series[1], { dash: [7, 5], opacity });
      plane.normal(this.q, series[0], { fill: near ? 0.12 : 0.3 });
      plane.dots([[x, y]], series[0], near ? 4 : 2.5);
      if (!near) plane.frame(this.lens.view, plane.theme.text);
    }
  }

  /** What the lens has to show: q, and the other ellipses if they are of this very image. */
  #bounds() {
    const boxes = [boxOf(this.q)];
    if (!this.stale) {
      const { density, normal } = this.posterior ?? {};
      if (density) boxes.push(density.inner);
      if (normal) boxes.push(boxOf(normal));
      if (this.local) boxes.push(boxOf(this.local));
    }
    const [left, right, bottom, top] = [0, 1, 2, 3].map((side) =>
      boxes.map((box) => box[side]).reduce((a, b) => (side % 2 ? Math.max(a, b) : Math.min(a, b))),
    );
    return {
      x: (left + right) / 2,
      y: (bottom + top) / 2,
      half: Math.max(right - left, top - bottom, 1e-6) / 2,
    };
  }

  /** The lens stays where it is until what it shows leaves its middle or changes its size. */
  #aim() {
    const { x, y, half } = this.#bounds();
    const wanted = 2 * half * LENS_MARGIN;
    let fitted = this.lens.fitted;
    const away = fitted && Math.max(Math.abs(x - fitted.x), Math.abs(y - fitted.y));
    if (!fitted || away + half > 0.48 * fitted.span || wanted * 3 < fitted.span) {
      fitted = { x, y, span: wanted };
      this.lens.fitted = fitted;
    }
    this.lens.look(fitted.x, fitted.y, fitted.span * this.zoom);
  }

  #write(q) {
    let words = "";
    if (this.bars) {
      let entropy = 0;
      for (const p of q.mean) {
        if (p > 0 && p < 1) entropy -= p * Math.log2(p) + (1 - p) * Math.log2(1 - p);
      }
      const on = q.mean.reduce((a, b) => a + b, 0);
      const change = q.mean.reduce((a, p, i) => Math.max(a, Math.abs(p - this.before[i])), 0);
      words = `${on.toFixed(1)} of ${q.mean.length} units on, on average; `;
      words += `uncertainty ${entropy.toFixed(1)} bits; largest change ${change.toFixed(2)}`;
    } else {
      const { x, y, covariance: c } = this.q;
      const [dx, dy] = [Math.sqrt(c[0]), Math.sqrt(c[2])];
      const [first, second] = this.header.short_names;
      words = `q(z|x): ${first} = ${signed(x, 3)} ± ${dx.toFixed(3)}, `;
      words += `${second} = ${signed(y, 3)} ± ${dy.toFixed(3)}, `;
      words += `correlation ${signed(dx * dy > 0 ? c[1] / (dx * dy) : 0)}`;
    }
    this.readout.textContent = words;
    const late = this.stale ? " (of the image before this stroke)" : "";
    this.posteriorWords.textContent = this.posteriorText ? `${this.posteriorText}${late}` : "";
    if (!this.brush.drawing) this.say(words);
  }

  update({ data, setStateValue }) {
    this.report = setStateValue;
    if (!data) return;
    const { series } = theme(this.root); // may have changed
    ["first", "second", "third"].forEach((name, i) => {
      this.root.host.style.setProperty(`--${name}`, series[i].trim());
    });
    this.draw();
  }

  destroy() {
    this.draw.cancel();
    this.tell.cancel();
    this.say.cancel();
    this.resize.disconnect();
    this.brush.destroy();
    this.end();
  }
}

export default function (component) {
  return keep(component, (first) => new Microscope(first));
}
