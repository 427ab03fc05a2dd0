/** Columns of layers with locks: locked layers stay, the others are drawn again at each tick. */
import { readHeader, unpack } from "./blob.js";
import { Clock } from "./clock.js";
import { button, calm, debounced, el, imageCanvas, keep, paint, rgb, theme } from "./dom.js";
import { LayerDraws, MOST_CHANGES } from "./layer_draws.js";
import { LayerPicture } from "./layer_picture.js";
import { Model } from "./model.js";

const SPEEDS = [0.5, 1, 2, 5, 10]; // ticks a second
const STRIP = 12;
const GAP = 2;
const MOST_STEPS = 9_999_999;
const KEYS =
  "Space plays and pauses, the right arrow or a full stop draws once, digits lock layers.";

class LayersView {
  constructor(host, header, arrays) {
    this.host = host;
    this.shape = header.shape;
    this.pixels = header.link.show === "pixels";
    this.model = new Model(header.model, arrays);
    this.draws = new LayerDraws(this.model, header.link);
    this.report = debounced((state) => this.send(state), 300);
    this.speak = debounced((words) => {
      this.spoken.textContent = words;
    }, 500);
    this.clock = new Clock(
      () => this.step(),
      (runs) => this.playing(runs),
    );
    this.clock.rate = calm() ? 1 : 2;
    this.send = () => {};
    this.build();
    this.refill();
    this.draw();
  }

  build() {
    const { model } = this;
    this.play = button("Play", () => this.clock.toggle(), { class: "primary play" });
    this.once = button("Step", () => this.one());
    const reset = button("From the start", () => this.restart(this.draws.seed));
    this.speed = el(
      "select",
      { onchange: () => this.setSpeed(Number(this.speed.value)) },
      ...SPEEDS.map((rate) =>
        el("option", { value: rate, selected: rate === this.clock.rate }, `${rate} a second`),
      ),
    );
    this.seed = el("input", {
      type: "number",
      min: 0,
      max: 2 ** 31,
      step: 1,
      value: this.draws.seed,
      onchange: () => {
        const seed = Math.min(2 ** 31, Math.max(0, Math.round(Number(this.seed.value) || 0)));
        this.seed.value = seed;
        this.restart(seed);
      },
    });
    const show = el(
      "select",
      {
        onchange: () => {
          this.pixels = show.value === "pixels";
          this.refill();
          this.draw();
          this.tell();
        },
      },
      el("option", { value: "means" }, "means of pixels"),
      el("option", { value: "pixels" }, "drawn pixels"),
    );
    show.value = this.pixels ? "pixels" : "means";
    const labelled = (text, node) => el("label", { class: "row tight" }, text, node);

    const [height, width] = this.shape;
    this.image = imageCanvas(width, height, "The image of this draw");
    this.tick = el("figcaption", {});
    this.columns = model.layerSizes.map((size, layer) => this.column(size, layer));
    const picture = el(
      "section",
      { class: "column" },
      el("h4", {}, "Image"),
      el("figure", {}, this.image, this.tick),
    );
    this.strip = imageCanvas(
      STRIP * (width + GAP) - GAP,
      height,
      `The last ${STRIP} images, the newest on the right`,
    );
    this.strip.classList.add("strip");
    this.spoken = el("span", { class: "unseen", "aria-live": "polite" });
    this.root = el(
      "div",
      {
        class: "layers stack",
        tabindex: 0,
        role: "group",
        "aria-label": `Draws layer by layer. ${KEYS}`,
        onkeydown: (event) => this.key(event),
      },
      el(
        "div",
        { class: "row" },
        this.play,
        this.once,
        reset,
        labelled("Speed", this.speed),
        labelled("Seed", this.seed),
        model.isDensity ? "" : labelled("Show", show),
      ),
      el("div", { class: "columns" }, ...[...this.columns].reverse().map((c) => c.node), picture),
      this.strip,
      el("p", { class: "caption" }, `The last ${STRIP} draws, the newest on the right. ${KEYS}`),
      this.spoken,
    );
    this.host.replaceChildren(this.root);
  }

  column(size, layer) {
    const { isBernoulli, layerSizes } = this.model;
    const picture = new LayerPicture(size, isBernoulli, `State of layer ${layer + 1}`);
    const words = el("figcaption", {});
    const lock = button("", () => this.toggleLock(layer), { class: "lock" });
    const deepest = layer === layerSizes.length - 1 && layer > 0 ? ", the deepest" : "";
    const node = el(
      "section",
      { class: "column" },
      el("h4", {}, `Layer ${layer + 1}${deepest}`),
      el("figure", {}, picture.canvas, words),
      lock,
    );
    return { node, picture, words, lock };
  }

  /** Draw everything as it is now. */
  draw() {
    const { model, draws } = this;
    this.columns.forEach(({ node, picture, words, lock }, layer) => {
      const values = model.layer(draws.z, layer);
      const locked = draws.isLocked(layer);
      picture.draw(values, this.colours ?? { dark: false, on: [0, 114, 178] });
      words.textContent = picture.words(values);
      lock.textContent = locked ? "Locked" : "Lock";
      lock.setAttribute("aria-pressed", String(locked));
      lock.setAttribute("aria-label", `Layer ${layer + 1} locked`);
      node.classList.toggle("locked", locked);
    });
    const values = draws.image(draws.z, draws.step, this.pixels);
    paint(this.image, values);
    this.tick.textContent = `draw ${draws.step}`;
    return values;
  }

  /** Draw the strip's images again: after a jump, or with other pixels. */
  refill() {
    this.strip.getContext("2d").clearRect(0, 0, this.strip.width, this.strip.height);
    this.filled = 0;
    const last = this.draws.step;
    for (let tick = Math.max(0, last - STRIP + 1); tick <= last; tick++) {
      this.push(this.draws.image(this.draws.at(tick), tick, this.pixels));
    }
  }

  /** One more image at the strip's end; a full strip moves on to the left. */
  push(values) {
    const [height, width] = this.shape;
    this.scratch ??= imageCanvas(width, height, "");
    paint(this.scratch, values);
    const context = this.strip.getContext("2d");
    const shift = width + GAP;
    if (this.filled === STRIP) {
      const rest = this.strip.width - shift;
      context.drawImage(this.strip, shift, 0, rest, height, 0, 0, rest, height);
      this.filled -= 1;
    }
    context.drawImage(this.scratch, this.filled * shift, 0);
    this.filled += 1;
  }

  step() {
    if (this.draws.step >= MOST_STEPS) {
      this.clock.stop();
      return;
    }
    this.draws.advance();
    this.push(this.draw());
  }

  one() {
    this.clock.stop();
    this.step();
    this.tell();
  }

  restart(seed) {
    this.clock.stop();
    this.draws = new LayerDraws(this.model, { seed, step: 0, locks: [] });
    this.refill();
    this.draw();
    this.tell();
  }

  toggleLock(layer) {
    const done = this.draws.lock(layer, !this.draws.isLocked(layer));
    this.draw();
    if (!done) this.speak(`After ${MOST_CHANGES} changes of locks begin from the start.`);
    if (!this.clock.runs) this.tell();
  }

  setSpeed(rate) {
    this.clock.rate = rate;
    this.speed.value = String(rate);
  }

  playing(runs) {
    this.play.textContent = runs ? "Pause" : "Play";
    if (!runs) this.tell();
  }

  /** Report to Python, and say to those who cannot see where things stand. */
  tell() {
    this.report({ ...this.draws.state(), show: this.pixels ? "pixels" : "means" });
    const locked = this.columns.flatMap((_, i) => (this.draws.isLocked(i) ? [i + 1] : []));
    const locks = locked.length ? `layer ${locked.join(" and ")} locked` : "nothing locked";
    this.speak(`Draw ${this.draws.step}, ${locks}.`);
  }

  key(event) {
    const onField = event.target.closest("input, select") !== null;
    if (onField || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target.closest("button")) return; // the button's own
    const digit = Number(event.key);
    if (event.key === " ") this.clock.toggle();
    else if (event.key === "ArrowRight" || event.key === ".") this.one();
    else if (event.key !== " " && digit >= 1 && digit <= this.columns.length) {
      this.toggleLock(digit - 1);
    } else return;
    event.preventDefault();
  }

  recolour(root) {
    const colours = theme(root);
    const [r, g, b] = rgb(colours.background);
    this.colours = { dark: r + g + b < 384, on: rgb(colours.primary) };
    this.draw();
  }

  destroy() {
    this.clock.changed = () => {};
    this.clock.stop();
    this.report.cancel();
    this.speak.cancel();
  }
}

export default function (component) {
  return keep(component, (first) => {
    const host = el("div");
    first.parentElement.append(host);
    let token = "";
    let view = null;
    let current = first;
    return {
      update(next) {
        current = next;
        if (readHeader(next.data).token !== token) {
          const { header, arrays } = unpack(next.data);
          token = header.token;
          view?.destroy();
          view = new LayersView(host, header, arrays);
          view.send = (state) => current.setStateValue("view", state);
        }
        view.recolour(next.parentElement);
      },
      destroy() {
        view?.destroy();
        host.remove();
      },
    };
  });
}
