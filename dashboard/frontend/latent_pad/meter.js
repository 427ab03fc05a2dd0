/** How far off the beaten track a code is: under the prior, and from the codes of the images. */

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
];

/** log Gamma(x), x > 0 (Lanczos, 1964; g = 7). */
export function logGamma(x) {
  let sum = LANCZOS[0];
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i] / (x - 1 + i);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** The regularised lower incomplete gamma function P(a, x): series, or continued fraction (Lentz). */
export function gammaP(a, x) {
  if (x <= 0) return 0;
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < 1000 && term > sum * 1e-15; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return Math.min(1, front * sum);
  }
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < 1000; i++) {
    const an = -i * (i - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return Math.max(0, 1 - front * h);
}

/** The share of draws of N(0, I) in `size` dimensions that are nearer to the origin: chi's CDF. */
export const chiShare = (length, size) => gammaP(size / 2, (length * length) / 2);

/**
 * log p of bits that are 1 with probabilities `q`, on average, in nats, under independent bits with
 * probabilities `p`, and what draws of these have: mean and standard deviation.
 */
export function bitScore(q, p) {
  let [value, mean, variance] = [0, 0, 0];
  for (let i = 0; i < q.length; i++) {
    const own = Math.min(1 - 1e-7, Math.max(1e-7, p[i]));
    const [yes, no] = [Math.log(own), Math.log1p(-own)];
    value += q[i] * yes + (1 - q[i]) * no;
    mean += own * yes + (1 - own) * no;
    variance += own * (1 - own) * (yes - no) ** 2;
  }
  return { value, mean, deviation: Math.sqrt(variance) };
}

/**
 * The nearest of many codes.
 *
 * @param {Float32Array} codes `(count * size,)`.
 * @param {Float32Array} z `(size,)`.
 * @param {number} without an index that does not count.
 * @returns {{index: number, distance: number}}
 */
export function nearestCode(codes, z, without = -1) {
  const size = z.length;
  let best = -1;
  let shortest = Infinity;
  for (let i = 0, at = 0; at < codes.length; i++, at += size) {
    if (i === without) continue;
    let sum = 0;
    // In pieces: most codes are too far after some of their latents.
    for (let from = 0; from < size && sum < shortest; from += 16) {
      const to = Math.min(size, from + 16);
      for (let j = from; j < to; j++) {
        const gap = codes[at + j] - z[j];
        sum += gap * gap;
      }
    }
    if (sum < shortest) {
      shortest = sum;
      best = i;
    }
  }
  return { index: best, distance: Math.sqrt(shortest) };
}

/** The `count` nearest of many codes, nearest first: indices. */
export function nearestCodes(codes, z, count, without = -1) {
  const size = z.length;
  const found = []; // [squared distance, index], sorted
  for (let i = 0, at = 0; at < codes.length; i++, at += size) {
    if (i === without) continue;
    const limit = found.length < count ? Infinity : found[count - 1][0];
    let sum = 0;
    for (let from = 0; from < size && sum < limit; from += 16) {
      const to = Math.min(size, from + 16);
      for (let j = from; j < to; j++) {
        const gap = codes[at + j] - z[j];
        sum += gap * gap;
      }
    }
    if (sum >= limit) continue;
    const place = found.findIndex(([other]) => other > sum);
    found.splice(place < 0 ? found.length : place, 0, [sum, i]);
    if (found.length > count) found.pop();
  }
  return found.map(([, index]) => index);
}
