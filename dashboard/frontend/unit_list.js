/** Which units are on the screen: their order, a few at first, more on demand, one by its number. */
import { button, el } from "./dom.js";

export const UNUSED = 0.01; // nats: below it a unit says nothing about the image

/**
 * @param {object} options
 * @param {number} options.size how many units there are.
 * @param {string} options.noun "latent", "axis" or "unit".
 * @param {number} options.first shown at first, and added by each "Show more".
 * @param {Object<string, Float32Array>} options.scores titles to what the units can be sorted by.
 * @param {Set<number>} options.wanted units that are shown in any case.
 * @param {function(number[])} options.show called with the units to show, in order.
 * @returns {HTMLElement[]} the controls for above the units, and the button for below.
 */
export function unitList({ size, noun, first, scores, wanted, show }) {
  const orders = { Number: [...Array(size).keys()] };
  for (const [title, values] of Object.entries(scores)) {
    orders[title] = [...orders.Number].sort((a, b) => values[b] - values[a] || a - b);
  }
  let count = first;
  let found = [];
  // Two keep their order: they are the axes of the map.
  let order = size > 2 ? orders.Effect : orders.Number;

  const search = el("input", {
    type: "search",
    inputmode: "numeric",
    placeholder: `1–${size}`,
    size: 7,
    "aria-label": `Find ${noun}s by number, separated by commas`,
    oninput: () => {
      const numbers = (search.value.match(/\d+/g) ?? []).map((text) => Number(text) - 1);
      found = [...new Set(numbers)].filter((unit) => unit >= 0 && unit < size);
      draw();
    },
  });
  const sort = el(
    "select",
    {
      "aria-label": `Order of the ${noun}s`,
      onchange: () => {
        order = orders[sort.value];
        draw();
      },
    },
    ...Object.keys(orders).map((title) =>
      el("option", { value: title, selected: orders[title] === order }, title.toLowerCase()),
    ),
  );
  const more = button("", () => {
    count += first;
    draw();
  });

  function draw() {
    const shown = found.length ? found : order.slice(0, count);
    if (!found.length) for (const unit of wanted) if (!shown.includes(unit)) shown.push(unit);
    more.hidden = found.length > 0 || shown.length >= size;
    more.textContent = `Show ${Math.min(first, size - shown.length)} more of ${size}`;
    show(shown);
  }
  draw();
  const find = el("label", { class: "row tight" }, "Find", search);
  const by = el("label", { class: "row tight" }, "Order by", sort);
  return { controls: size > 2 ? [by, find] : [], more };
}

/** The KL of a unit as a bar and a number; "unused" where it is next to nothing. */
export function klMeter(kl, most) {
  const words = kl < UNUSED ? "unused" : kl.toFixed(2);
  return el(
    "span",
    {
      class: kl < UNUSED ? "kl unused" : "kl",
      title: `KL of q(z | x) from the prior, ${kl.toFixed(3)} nats`,
    },
    el("span", {
      class: "bar",
      style: `--share: ${kl / Math.max(most, 10 * UNUSED)}`,
      "aria-hidden": true,
    }),
    el("span", {}, words),
  );
}
