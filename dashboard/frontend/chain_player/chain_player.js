/** Plays recorded chains (see dashboard/logic/impute/playing.py) and asks for more near the recording's end. */

import { unpack } from "../blob.js";
import { calm, debounced, eachFrame, keep } from "../dom.js";
import { layout } from "./chain_layout.js";
import { ChainNumbers } from "./chain_numbers.js";
import { ChainPictures } from "./chain_pictures.js";
import { ClassBands, inWords, shares } from "./class_bands.js";
import { LineChart } from "./line_chart.js";
import { Playback } from "./playback.js";
import { Recorded } from "./recorded.js";

const AHEAD = 2.5; // seconds of playing that are to be in hand

class ChainPlayer {
  constructor({ parentElement }) {
    this.recorded = null;
    this.kind = "means";
    this.pixel = 0;
    this.asking = false;
    this.goal = 0; // a step to record up to: of the link, or "record all"
    this.playback = new Playback({
      shown: () => this.drawn(),
      changed: () => this.#controls(),
      rested: () => this.report(),
    });
    this.drawn = eachFrame(() => this.#draw());
    this.pictures = new ChainPictures((pixel) => this.#choose(pixel));
    this.numbers = new ChainNumbers();
    this.joint = new LineChart("Trace of log p(x_obs, z), a line for each chain");
    this.trace = new LineChart("Trace of the chosen pixel, a line for each chain");
    this.bands = new ClassBands();
    this.report = debounced(() => this.#report(false), 350);
    this.speak = debounced(() => this.#speak(), 600);
    Object.assign(this, layout(this, this.#actions()));
    this.root.addEventListener("keydown", (event) => this.#key(event));
    parentElement.append(this.root);
  }

  #actions() {
    const { playback } = this;
    return {
      toggle: () => playback.toggle(),
      move: (by) => playback.go(playback.step + by),
      faster: (by) => playback.faster(by),
      show: (kind) => this.#show(kind),
      slide: (step) => {
        playback.pause();
        playback.move(step);
      },
      slid: () => playback.rested(),
      record: () => this.#recordTo(this.recorded.cap - 1),
      stop: () => this.#recordTo(0),
    };
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const own = event.target.closest("button, input");
    if (own && event.key === " ") return; // presses it
    if (own?.matches("input") && !["+", "=", "-"].includes(event.key)) return; // slides it
    if (this.playback.key(event.key)) event.preventDefault();
  }

  update({ data, setStateValue }) {
    this.setStateValue = setStateValue;
    const message = unpack(data);
    const { header } = message;
    const other = this.recorded?.token !== header.token;
    if (other && !this.#begin(message)) return;
    if (!other && !this.recorded.append(message)) {
      this.#report(true); // steps are missing: the server thinks that we have them
      return;
    }
    this.asking = false;
    if (header.pixel === this.pixel || other) this.numbers.set(header.diagnostics);
    this.playback.complete = this.recorded.length >= this.recorded.cap;
    this.playback.grow(this.recorded.length);
    this.#refresh();
    if (this.goal && this.playback.last < this.goal) this.#ask();
    else if (this.goal) this.#arrived();
    this.#controls();
    // What changed while a request was under way has not been told yet.
    if (!other && !this.playback.playing && this.told !== this.#place()) this.report();
  }

  /** What a report says of the view. */
  #place() {
    return [this.after ?? this.playback.step, this.pixel, this.kind].join();
  }

  /** Another recording: from its first step, or from where the link says; false if it has none. */
  #begin(message) {
    const { header } = message;
    const fresh = this.recorded === null;
    if (header.first > 0) {
      this.recorded = null;
      this.token = header.token;
      this.#report(true);
      return false;
    }
    this.recorded = new Recorded(message);
    this.playback.length = this.recorded.length;
    this.goal = 0;
    this.after = null;
    if (fresh) {
      this.kind = header.kind;
      this.pixel = header.pixel;
      if (header.step) this.after = this.goal = header.step;
    }
    this.pictures.build(this.recorded, header.shape, header.top);
    this.method = header.method;
    this.pictures.mark(Math.min(this.pixel, this.recorded.isHidden.length - 1));
    this.playback.step = 0;
    this.told = this.#place();
    if (fresh && header.step === null && !calm()) {
      this.playback.end = this.recorded.length - 1;
      this.playback.play();
    }
    return true;
  }

  #arrived() {
    if (this.after !== null) {
      this.playback.step = Math.min(this.after, this.playback.last);
      this.after = null;
    }
    this.goal = 0;
    this.#refresh();
    this.report();
  }

  #recordTo(step) {
    this.goal = step;
    if (step) this.#ask();
    else this.after = null;
    this.#controls();
  }

  #choose(pixel) {
    this.pixel = pixel;
    this.numbers.forget();
    this.pictures.mark(pixel);
    this.#refresh();
    this.report();
  }

  #show(kind) {
    this.kind = kind;
    this.#refresh();
    this.report();
  }

  #refresh() {
    const { recorded } = this;
    const width = this.pictures.shape[1];
    const where = `row ${Math.floor(this.pixel / width) + 1}, column ${(this.pixel % width) + 1}`;
    const shape = { length: recorded.length, chains: recorded.chains, warmUp: recorded.warmUp };
    this.where = where;
    this.pixelTitle.textContent = `Mean of the pixel in ${where}`;
    this.joint.refresh({
      ...shape,
      value: (step, chain) => recorded.logJoint(step, chain),
    });
    this.trace.refresh({
      ...shape,
      value: (step, chain) => recorded.pixel(this.pixel, step, chain),
      low: -0.02,
      high: 1.02,
    });
    this.mixPanel.hidden = recorded.classes.length === 0;
    if (recorded.classes.length) this.bands.refresh(recorded);
    this.pictures.drawStrip(this.kind);
    this.#draw();
  }

  #draw() {
    const { recorded, playback } = this;
    if (!recorded) return;
    const { step } = playback;
    this.pictures.draw(step, this.kind);
    this.joint.draw(step);
    this.trace.draw(step);
    if (recorded.classes.length) {
      this.bands.draw(step);
      this.mix.textContent = `So far: ${inWords(recorded.classes, shares(recorded, ...recorded.window(step)))}`;
    }
    this.numbers.draw(step, {
      warmUp: recorded.warmUp,
      chains: recorded.chains,
      pixelTitle: `Pixel ${this.where}`,
    });
    this.summary.textContent = this.#summary(step);
    if (!playback.playing) this.speak();
  }

  #summary(step) {
    const { recorded, pictures } = this;
    const size = recorded.hidden.length / recorded.channels;
    const parts = [`${size} of ${recorded.isHidden.length} pixels hidden`];
    const error = pictures.error();
    parts.push(
      recorded.density
        ? `root mean square error of the mean ${error.toFixed(3)}`
        : `${(100 * error).toFixed(1)} % of them wrong in the mean`,
    );
    parts.push(`mean and spread over ${pictures.moments.completions} completions`);
    const accepted = recorded.acceptance(step);
    if (this.method === "pseudo-gibbs") parts.push("every proposal is taken");
    else if (accepted >= 0) {
      const tuning = step <= recorded.tuned ? `, step size tuned up to step ${recorded.tuned}` : "";
      parts.push(`acceptance rate ${(100 * accepted).toFixed(1)} %${tuning}`);
    } else parts.push(`pseudo-Gibbs up to step ${recorded.start}`);
    return parts.join(" · ");
  }

  #controls() {
    const { recorded, playback } = this;
    if (!recorded) return;
    this.play.textContent = playback.playing ? "Pause" : "Play";
    this.speed.textContent = `${playback.perSecond} steps/s`;
    this.back.disabled = playback.step === 0;
    this.forth.disabled = playback.step === playback.last && recorded.length === recorded.cap;
    this.scrubber.max = playback.last;
    this.scrubber.value = playback.step;
    this.step.textContent = `Step ${playback.step} of ${playback.last}`;
    this.kinds.forEach((node, at) => {
      node.setAttribute("aria-pressed", String((at ? "draws" : "means") === this.kind));
    });
    const most = recorded.cap - 1;
    this.all.textContent = `Record all ${most}`;
    this.all.hidden = this.goal > 0 || recorded.length === recorded.cap;
    this.stop.hidden = this.progress.hidden = this.goal === 0;
    this.progress.value = this.goal ? playback.last / this.goal : 0;
    const inHand = playback.last - playback.step;
    const enough = Math.max(20, AHEAD * playback.perSecond);
    if (inHand < (playback.playing && playback.end === null ? enough : 1)) this.#ask();
  }

  /** One request at a time; none before the visitor got to the end, or with the longest here. */
  #ask() {
    const { recorded, playback } = this;
    if (this.asking || !recorded || recorded.length >= recorded.cap) return;
    if (playback.end !== null) return;
    this.asking = true;
    this.#report(true);
  }

  #report(want) {
    this.report?.cancel();
    if (!want && (this.asking || this.goal)) return; // its request says the rest
    this.told = this.#place();
    this.setStateValue("view", {
      token: this.recorded?.token ?? this.token,
      have: this.recorded?.length ?? 0,
      want: want && this.recorded !== null,
      step: this.after ?? this.playback.step,
      pixel: this.pixel,
      kind: this.kind,
    });
  }

  #speak() {
    const { step } = this.playback;
    this.live.textContent = `Step ${step}. ${this.numbers.said}`;
  }

  destroy() {
    this.playback.destroy();
    this.drawn.cancel();
    this.report.cancel();
    this.speak.cancel();
    for (const chart of [this.joint, this.trace, this.bands]) chart.destroy();
  }
}

export default function (component) {
  return keep(component, (first) => new ChainPlayer(first));
}
