/** The buttons and selectors above the map. */

import { button, el } from "../dom.js";

const TOOLS = { move: "Move", lasso: "Lasso", box: "Box" };
const SHOWN = { points: "Points", images: "Images", manifold: "Manifold" };

/** A group of buttons of which one is pressed. */
function group(label, titles, chosen) {
  const buttons = {};
  for (const [value, text] of Object.entries(titles)) {
    buttons[value] = button(text, () => chosen(value), { "aria-pressed": "false" });
  }
  return {
    buttons,
    node: el(
      "div",
      { class: "group", role: "group", "aria-label": label },
      ...Object.values(buttons),
    ),
  };
}

function select(label, chosen) {
  const node = el("select", { onchange: () => chosen(node.value) });
  return { node, whole: el("label", {}, `${label} `, node) };
}

export class Controls {
  /** @param {object} on `tool(name)`, `show(name)`, `axis(which, index)`, `scale(name)`,
   *    `held(pin)`, `zoom(factor)`, `reset()`, `picture()`. */
  constructor(on) {
    this.tools = group("Dragging", TOOLS, on.tool);
    this.shown = group("Show", SHOWN, on.show);
    this.axes = [0, 1].map((which) =>
      select(which ? "Up" : "Across", (value) => on.axis(which, Number(value))),
    );
    this.scale = select("Axes", on.scale);
    for (const [value, text] of [
      ["linear", "Latents"],
      ["quantiles", "Quantiles of the prior"],
    ]) {
      this.scale.node.append(el("option", { value }, text));
    }
    this.held = select("Other directions", (value) => on.held(Number(value)));
    const zoom = el(
      "div",
      { class: "group", role: "group", "aria-label": "Zoom" },
      button("+", () => on.zoom(1.6), { "aria-label": "Zoom in" }),
      button("−", () => on.zoom(1 / 1.6), { "aria-label": "Zoom out" }),
      button("Reset", on.reset, { "aria-label": "Reset the zoom" }),
    );
    const picture = button("PNG", on.picture, { "aria-label": "Download the map as PNG" });
    this.node = el(
      "div",
      { class: "controls row" },
      el("div", { class: "row" }, this.shown.node, this.tools.node, zoom, picture),
      el(
        "div",
        { class: "row choices" },
        this.axes[0].whole,
        this.axes[1].whole,
        this.scale.whole,
        this.held.whole,
      ),
    );
  }

  /** What the map offers: axes by name, whether quantiles, other directions and a plane exist. */
  offer({ titles, quantiles, others, hasPlane }) {
    for (const { node, whole } of this.axes) {
      whole.hidden = !hasPlane || titles.length < 3;
      node.replaceChildren(
        ...titles.map(({ name, share }, i) =>
          el(
            "option",
            { value: `${i}` },
            `${name.replace("principal ", "")}${share ? ` · ${share}` : ""}`,
          ),
        ),
      );
    }
    this.scale.whole.hidden = !quantiles;
    this.held.whole.hidden = !others;
    this.shown.buttons.manifold.hidden = !hasPlane;
  }

  show({ tool, show, axes, scale, hold, pins }) {
    for (const [set, chosen] of [
      [this.tools, tool],
      [this.shown, show],
    ]) {
      for (const [value, node] of Object.entries(set.buttons)) {
        node.setAttribute("aria-pressed", String(value === chosen));
      }
    }
    this.axes.forEach(({ node }, which) => {
      node.value = `${axes[which]}`;
    });
    this.scale.node.value = scale;
    const held = Array.from({ length: pins }, (_, i) =>
      el("option", { value: `${i}` }, `as pin ${i + 1}`),
    );
    this.held.node.replaceChildren(el("option", { value: "-1" }, "at the mean"), ...held);
    this.held.node.value = `${hold}`;
  }
}
