/** Columns of layers with locks: locked layers stay, the others are drawn again at each tick. */
import { readHeader, unpack } from "../blob.js";
import { button, calm, debounced, el, imageCanvas, keep, paint, rgb, theme } from "../dom.js";
import { Model } from "../model.js";
import { Clock } from "./clock.js";
import { FilmStrip } from "./film_strip.js";
import { LayerControls } from "./layer_controls.js";
import { LayerDraws, MOST_CHANGES } from "./layer_draws.js";
import { LayerPicture } from "./layer_picture.js";

const STRIP = { wide: 12, narrow: 7 }; // of the last images
const NARROW = "(width < 700px)";
const MOST_STEPS = 9_999_999;
const KEYS =
  "Space plays and pauses, the right arrow or a full stop draws once, digits lock layers, " +
  "plus and minus change the speed.";

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
    const { model, shape } = this;
    this.controls = new LayerControls({
      clock: this.clock,
      seed: this.draws.seed,
      pixels: model.isDensity ? null : this.pixels,
      step: () => this.one(),
      restart: (seed) => this.restart(seed),
      show: (pixels) => {
        this.pixels = pixels;
        this.refill();
        this.draw();
        this.tell();
      },
    });
    this.image = imageCanvas(shape[1], shape[0], "The image of this draw");
    this.tick = el("figcaption", {});
    this.columns = model.layerSizes.map((size, layer) => this.column(size, layer));
    const picture = el(
      "section",
      { class: "column" },
      el("h3", {}, "Image"),
      el("figure", {}, this.image, this.tick),
    );
    this.strip = new FilmStrip(matchMedia(NARROW).matches ? STRIP.narrow : STRIP.wide, shape);
    this.spoken = el("span", { class: "unseen", "aria-live": "polite" });
    this.root = el(
      "div",
      {
        class: "layers stack",
        tabindex: 0,
        role: "group",
        "aria-label": "Draws layer by layer",
        "aria-describedby": "keys",
        onkeydown: (event) => this.key(event),
      },
      this.controls.element,
      el("div", { class: "columns" }, ...[...this.columns].reverse().map((c) => c.node), picture),
      this.strip.canvas,
      el("p", { class: "caption", id: "keys" }, `The last draws, the newest at the end. ${KEYS}`),
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
      el("h3", {}, `Layer ${layer + 1}${deepest}`),
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
    this.strip.clear();
    const last = this.draws.step;
    for (let tick = Math.max(0, last - this.strip.count + 1); tick <= last; tick++) {
      this.strip.push(this.draws.image(this.draws.at(tick), tick, this.pixels));
    }
  }

  step() {
    if (this.draws.step >= MOST_STEPS) {
      this.clock.stop();
      return;
    }
    this.draws.advance();
    this.strip.push(this.draw());
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

  playing(runs) {
    this.controls.runs(runs);
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
    else if (event.key === "+" || event.key === "=") this.controls.faster(1);
    else if (event.key === "-") this.controls.faster(-1);
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
