/** Round numbers for an axis. */

/**
 * The multiples of 1, 2 or 5 times a power of ten from `low` to `high`, about `most` at the most.
 *
 * @returns {[number, string][]} each with its text, all with as many decimals as the step needs.
 */
export function ticks(low, high, most) {
  const rough = (high - low) / Math.max(most, 1) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) {
    const text = (i * step).toFixed(digits).replace(/^-0(\.0*)?$/, "0");
    found.push([i * step, text.replace("-", "−")]);
  }
  return found;
}
