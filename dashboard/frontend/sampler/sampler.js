/** The sampler: turn latents or switch bits, and the image follows in the same frame. */
import { readHeader, unpack } from "../blob.js";
import { button, debounced, eachFrame, el, imageCanvas, keep, paint } from "../dom.js";
import { Model } from "../model.js";
import { BELOW_DRAWS, CodeView } from "./code_view.js";
import { Dials } from "./dials.js";
import { Switches } from "./switches.js";
import { unitList } from "./unit_list.js";

const FIRST_DIALS = 12;
const FIRST_SWITCHES = 60;

/** Beside "Sliders": what the column of numbers means. */
const MEANING = {
  latents: "Value in prior standard deviations; KL of q(z | x) from the prior in nats.",
  axes: "Value in standard deviations of real images' codes; share of their variance.",
  bits: "Number and KL of q(z | x) from the prior in nats; blue is on.",
};

function build(root, header, arrays, report) {
  const { kind, shape, titles, link } = header;
  const model = new Model(header.model, arrays);
  const view = new CodeView(model, {
    layer: header.layer,
    start: arrays.start,
    ways: arrays.ways ?? null,
  });
  view.restore(link);

  const image = imageCanvas(shape[1], shape[0], "The image");
  const before = imageCanvas(shape[1], shape[0], "The image at the start");
  const drawn = imageCanvas(shape[1], shape[0], "Pixels drawn one after the other");
  const paintNow = () => {
    paint(image, view.image());
    if (model.hasPixelLinks) paint(drawn, view.pixels());
  };
  const draw = eachFrame(paintNow);
  const released = debounced(() => report(view.state()), 250);
  const kl = arrays.kl ?? null;
  const shares = arrays.shares ?? null;
  const options = { titles, kl, shares, shape, moved: draw, released };
  const units = kind === "bits" ? new Switches(view, options) : new Dials(view, options);
  const scores = { Effect: arrays.effects };
  if (kl) scores.KL = kl;
  if (shares) scores.Variance = shares;
  const list = unitList({
    size: titles.length,
    noun: { latents: "latent", axes: "axis", bits: "unit" }[kind],
    first: kind === "bits" ? FIRST_SWITCHES : FIRST_DIALS,
    scores,
    wanted: new Set(link.units),
    show: (shown) => units.show(shown),
  });

  const spoken = el("span", { class: "unseen", "aria-live": "polite" });
  const reset = button("Reset all", () => {
    view.resetAll();
    units.refresh();
    if (units.strips) units.strips();
    draw();
    released();
    spoken.textContent = "All as at the start.";
  });
  const below = el("select", {
    "aria-label": "Layers below this one",
    onchange: () => {
      view.below = below.value;
      paint(before, view.image(view.start));
      draw();
      released();
    },
  });
  below.append(
    el("option", { value: "average" }, `the mean of ${BELOW_DRAWS} draws`),
    el("option", { value: "draw" }, "one draw"),
  );
  below.value = view.below;
  const depends = model.isBernoulli && header.layer > 0;

  const figure = (canvas, words) => el("figure", {}, canvas, el("figcaption", {}, words));
  root.append(
    el(
      "div",
      { class: "sampler" },
      el(
        "div",
        { class: "pictures" },
        figure(image, model.hasPixelLinks ? "mean field of x, now" : "E[x | z], now"),
        figure(before, "at the start"),
        model.hasPixelLinks ? figure(drawn, "pixels drawn, now") : "",
      ),
      el(
        "div",
        { class: "units stack" },
        el("div", { class: "row" }, reset, ...list.controls),
        depends ? el("label", { class: "row tight" }, "Layers below:", below) : "",
        el("p", { class: "caption" }, kl || kind === "axes" ? MEANING[kind] : ""),
        units.element,
        el("div", { class: "row" }, list.more),
        spoken,
      ),
    ),
  );
  paint(before, view.image(view.start));
  paintNow();
  return () => {
    draw.cancel();
    released.cancel();
    units.destroy();
  };
}

export default function (component) {
  return keep(component, (first) => {
    const root = el("div");
    first.parentElement.append(root);
    let token = "";
    let stop = () => {};
    let current = first;
    return {
      update(next) {
        current = next;
        if (readHeader(next.data).token === token) return;
        const { header, arrays } = unpack(next.data);
        token = header.token;
        stop();
        root.replaceChildren();
        stop = build(root, header, arrays, (state) => current.setStateValue("view", state));
      },
      destroy() {
        stop();
        root.remove();
      },
    };
  });
}
