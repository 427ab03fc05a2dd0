/**
 * The recognition microscope: draw on an image and watch q(z|x) follow, frame by frame.
 *
 * Data (constant for a checkpoint): the model (see model.js), `plane.origin`, `plane.axes` and the
 * codes of test images on it. What belongs to one image (the start, the true posterior, q*) comes
 * by recognition_news.js on the channel `header.channel`.
 */

import { unpack } from "../blob.js";
import { button, debounced, eachFrame, el, imageCanvas, keep, paint, theme } from "../dom.js";
import { Model } from "../model.js";
import { Random } from "../random.js";
import { subscribe } from "./channel.js";
import { Drawing } from "./drawing.js";
import { LatentLens } from "./latent_lens.js";
import { UnitBars } from "./unit_bars.js";

const DRAWS = 4; // redrawn beside the mean
const DOTS = 24; // draws on the lens
const SEEDS = 1_000_000;

class Microscope {
  constructor({ parentElement, data, setStateValue }) {
    this.root = parentElement;
    this.report = setStateValue;
    const { header, arrays } = unpack(data);
    this.model = new Model(header.model, arrays);
    [this.height, this.width] = header.image_shape;
    this.token = null;
    this.seed = 0;
    this.stale = true;
    this.probabilities = null; // the true ones of bits
    this.posteriorText = "";
    this.draw = eachFrame(() => this.#draw());
    this.tell = debounced(() => this.#tell(), 300);
    this.say = debounced((words) => {
      this.spoken.textContent = words;
    }, 600);
    this.drawing = new Drawing({
      shape: header.image_shape,
      isBits: header.is_bits,
      changed: (finished) => this.#changed(finished),
      say: this.say,
    });
    if (this.model.isBernoulli) this.bars = new UnitBars(this.model.layerSizes);
    else this.lens = new LatentLens(header, arrays, this.model, this.draw);
    this.#build();
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(this.body);
    this.end = subscribe(header.channel, (news) => this.#hear(news));
  }

  #build() {
    this.spoken = el("div", { class: "unseen", "aria-live": "polite" });
    this.readout = el("p", { class: "readout" });
    this.body = el(
      "div",
      { class: this.bars ? "columns of-units" : "columns" },
      this.drawing.node,
      ...(this.bars ? this.#unitPanels() : this.lens.nodes),
    );
    this.root.append(
      el(
        "div",
        { class: "stack" },
        ...[this.body, this.#legend(), this.readout, this.#redrawn(), this.spoken],
      ),
    );
  }

  #redrawn() {
    this.images = [];
    const mean = this.model.hasPixelLinks ? "mean field of x" : "E[x|z]";
    const pictures = el("div", { class: "row pictures" });
    for (let i = 0; i <= DRAWS; i++) {
      const label = i ? `Draw ${i}` : "At the mean";
      const canvas = imageCanvas(this.width, this.height, `${mean}, ${label.toLowerCase()}`);
      this.images.push(canvas);
      pictures.append(el("figure", {}, canvas, el("figcaption", {}, label)));
    }
    const again = button("Other draws", () => {
      this.seed = (this.seed + 1) % SEEDS;
      this.draw();
      this.tell();
    });
    return el(
      "section",
      { class: "stack", "aria-label": "Redrawn images" },
      el("h2", {}, `Redrawn: ${mean} at z from q(z|x)`),
      pictures,
      el("div", { class: "row" }, again),
    );
  }

  #unitPanels() {
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
        this.model.hasRecognitionLinks
          ? el(
              "p",
              { class: "caption" },
              "Units are linked: each is given the means of those before it.",
            )
          : "",
        el("div", { class: "row" }, sort),
      ),
      this.bars.changes,
    ];
  }

  #legend() {
    const entry = (name, words) => el("span", { class: "key" }, el("i", { class: name }), words);
    this.posteriorWords = el("span", {}, "");
    this.localEntry = entry("line local", "q*, the best q for this image alone");
    const parts = this.bars
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

  #changed(finished) {
    this.stale = true;
    this.draw();
    if (finished) this.tell();
    else this.tell.cancel();
  }

  #tell() {
    const { text, startName } = this.drawing;
    this.report("view", { token: this.token, image: text, start: startName, seed: this.seed });
  }

  /** What the server says: another image, or what it found out about this one. */
  #hear({ header, arrays }) {
    if (header.token !== this.token) {
      this.token = header.token;
      this.seed = header.seed;
      this.drawing.open(arrays.image, header.has_item ? arrays.item : null, header.start);
      if (this.lens) this.lens.fitted = null;
    }
    this.stale = this.drawing.text !== header.of_image;
    this.posteriorText = header.posterior_words;
    this.probabilities = arrays.probabilities ?? null;
    this.lens?.hear(header, arrays);
    this.localEntry.classList.toggle("missing", !header.local); // it is computed on request
    this.draw();
  }

  #draw() {
    if (this.token === null) return;
    const { model, drawing } = this;
    const q = model.recognise(drawing.x);
    const random = new Random(this.seed); // the same noise in each frame: draws move with q
    const draw = () =>
      this.bars ? model.drawRecognition(drawing.x, random) : model.drawGaussian(q, random);
    const codes = Array.from({ length: this.bars ? DRAWS : DOTS }, draw);
    drawing.paint();
    if (this.bars) {
      this.before = model.recognise(drawing.start).mean;
      this.bars.draw(q.mean, this.before, this.probabilities, this.stale);
    } else this.lens.draw(q, codes, this.stale);
    paint(this.images[0], model.decode(q.mean));
    for (let i = 0; i < DRAWS; i++) paint(this.images[i + 1], model.decode(codes[i]));
    const words = this.bars ? this.bars.words(q.mean, this.before) : this.lens.words();
    this.readout.textContent = words;
    const late = this.stale ? " (of the image before this stroke)" : "";
    this.posteriorWords.textContent = this.posteriorText ? `${this.posteriorText}${late}` : "";
    if (!drawing.busy) this.say(words);
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
    this.drawing.destroy();
    this.end();
  }
}

export default function (component) {
  return keep(component, (first) => new Microscope(first));
}
