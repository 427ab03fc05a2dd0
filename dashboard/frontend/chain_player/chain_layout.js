/** The elements of the chain player: buttons, scrubber, charts; no behaviour of their own. */

import { button, el } from "../dom.js";

const KEYS =
  "Space plays and pauses, the arrow keys step, Home and End go to the ends, plus and minus change the speed.";

const panel = (...children) => el("div", { class: "panel" }, ...children);
const title = (text) => el("h2", {}, text);

/**
 * @param {object} parts `pictures`, `numbers` and the charts `joint`, `trace`, `bands`.
 * @param {object} act what the controls call: `toggle()`, `move(by)`, `faster(by)`, `show(kind)`,
 *   `slide(step)`, `slid()`, `record()`, `stop()`.
 * @returns {object} the elements by name; all of them are in `root`.
 */
export function layout({ pictures, numbers, joint, trace, bands }, act) {
  const made = {
    play: button("Play", act.toggle, { class: "primary play" }),
    back: button("Back", () => act.move(-1)),
    forth: button("Step", () => act.move(1)),
    speed: el("output", { class: "speed" }),
    kinds: [button("Means", () => act.show("means")), button("Draws", () => act.show("draws"))],
    scrubber: el("input", {
      type: "range",
      min: 0,
      value: 0,
      "aria-label": "Step of the chains",
      oninput: (event) => act.slide(Number(event.currentTarget.value)),
      onchange: act.slid,
    }),
    step: el("output", { class: "step" }),
    all: button("Record all", act.record),
    stop: button("Stop", act.stop),
    progress: el("progress", { "aria-label": "Steps recorded", max: 1, value: 0 }),
    summary: el("p", { class: "summary" }),
    live: el("div", { class: "unseen", "aria-live": "polite" }),
    pixelTitle: title(""),
    mix: el("p", { class: "caption" }),
  };
  made.mixPanel = panel(title("Which class do the completions look like?"), bands.canvas, made.mix);
  made.root = el(
    "section",
    { class: "stack player", tabindex: 0, "aria-label": `Chain player. ${KEYS}` },
    pictures.row,
    controls(made, act),
    el("div", { class: "row scrub" }, made.scrubber, made.step),
    made.summary,
    el(
      "div",
      { class: "charts" },
      panel(title("log p(x_obs, z), nats"), joint.canvas),
      panel(made.pixelTitle, trace.canvas),
      made.mixPanel,
      panel(title("Have the chains mixed?"), numbers.table, numbers.note, numbers.meaning),
    ),
    title("The first 15 steps"),
    pictures.strip,
    made.live,
  );
  return made;
}

function controls({ play, back, forth, speed, kinds, all, stop, progress }, act) {
  const slower = button("−", () => act.faster(-1), { "aria-label": "Slower" });
  const faster = button("+", () => act.faster(1), { "aria-label": "Faster" });
  return el(
    "div",
    { class: "row controls" },
    play,
    back,
    forth,
    el("span", { class: "row group" }, slower, speed, faster),
    el("span", { class: "row group", role: "group", "aria-label": "Show" }, ...kinds),
    all,
    stop,
    progress,
  );
}
