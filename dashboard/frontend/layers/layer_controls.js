/** The row of controls above the layers: play, step, begin again, speed, seed, what is shown. */
import { button, el } from "../dom.js";

const SPEEDS = [0.5, 1, 2, 5, 10]; // ticks a second
const MOST_SEED = 2 ** 31;

const labelled = (text, node) => el("label", { class: "row tight" }, text, node);

export class LayerControls {
  /**
   * @param {object} options
   * @param {Clock} options.clock
   * @param {number} options.seed
   * @param {?boolean} options.pixels whether pixels are drawn; null where there is no choice.
   * @param {function} options.step
   * @param {function(number)} options.restart called with the seed.
   * @param {function(boolean)} options.show called with whether pixels are to be drawn.
   */
  constructor({ clock, seed, pixels, step, restart, show }) {
    this.clock = clock;
    this.play = button("Play", () => clock.toggle(), { class: "primary play" });
    this.speed = el(
      "select",
      {
        "aria-label": "Speed of the draws",
        onchange: () => {
          clock.rate = Number(this.speed.value);
        },
      },
      ...SPEEDS.map((rate) =>
        el("option", { value: rate, selected: rate === clock.rate }, `${rate} a second`),
      ),
    );
    this.seed = el("input", {
      type: "number",
      "aria-label": "Seed of the draws",
      min: 0,
      max: MOST_SEED,
      step: 1,
      value: seed,
      onchange: () => {
        const wanted = Math.min(MOST_SEED, Math.max(0, Math.round(Number(this.seed.value) || 0)));
        this.seed.value = wanted;
        restart(wanted);
      },
    });
    const kind = el(
      "select",
      { "aria-label": "What the image shows", onchange: () => show(kind.value === "pixels") },
      el("option", { value: "means" }, "means of pixels"),
      el("option", { value: "pixels", selected: pixels === true }, "drawn pixels"),
    );
    this.element = el(
      "div",
      { class: "row" },
      this.play,
      button("Step", step),
      button("From the start", () => restart(Number(this.seed.value))),
      labelled("Speed", this.speed),
      labelled("Seed", this.seed),
      pixels === null ? "" : labelled("Show", kind),
    );
  }

  /** The next speed up or down. */
  faster(by) {
    const at = SPEEDS.indexOf(this.clock.rate) + by;
    this.clock.rate = SPEEDS[Math.min(Math.max(at, 0), SPEEDS.length - 1)];
    this.speed.value = String(this.clock.rate);
  }

  runs(playing) {
    this.play.textContent = playing ? "Pause" : "Play";
  }
}
