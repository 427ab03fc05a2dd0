/** Which units are on the screen: their order, a few at first, more on demand, one by its number. */
import { button, el } from "../dom.js";

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

/** A number and, beside it, its share of the most as a bar. */
function meter(share, words, title, kind = "kl") {
  const bar = el("span", { class: "bar", style: `--share: ${share}`, "aria-hidden": true });
  return el("span", { class: kind, title }, bar, el("span", {}, words));
}

/** The KL of a unit; "unused" where it is next to nothing. */
export function klMeter(kl, most) {
  const unused = kl < UNUSED;
  return meter(
    kl / Math.max(most, 10 * UNUSED),
    unused ? "unused" : kl.toFixed(2),
    `KL of q(z | x) from the prior, ${kl.toFixed(3)} nats`,
    unused ? "kl unused" : "kl",
  );
}

/** The share of the variance that lies along an axis. */
export function shareMeter(share, most) {
  const percent = `${(100 * share).toFixed(1)} %`;
  return meter(share / most, percent, `${percent} of the variance of real images' codes`);
}
