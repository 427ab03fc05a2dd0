/** Ways from one code to another, and codes as a link keeps them. */

const FEW = 32; // numbers that a link writes out; more are packed as 16-bit floats

/** A number with the eleven binary digits of a 16-bit float. */
export function half(value) {
  if (value === 0 || !Number.isFinite(value)) return value;
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(value))));
  const step = 2 ** (exponent - 10);
  return Math.round(value / step) * step;
}

/** A code with the digits that a link keeps (see dashboard/permalinks.py). */
export function linkedCode(z) {
  const rounded = z.length <= FEW ? (value) => Number(value.toPrecision(4)) : half;
  return Float32Array.from(z, rounded);
}

export const norm = (values) => Math.hypot(...values);

/** The code a share of the straight way from a to b. */
export const straight = (a, b, share) => a.map((value, i) => value + share * (b[i] - value));

/**
 * The code a share of the way along the great circle (Shoemake, 1985), lengths changing evenly.
 *
 * Codes in (almost) the same or the opposite direction have no such circle: the straight way.
 */
export function spherical(a, b, share) {
  const [lengthA, lengthB] = [norm(a), norm(b)];
  let cosine = 0;
  for (let i = 0; i < a.length; i++) cosine += (a[i] / lengthA) * (b[i] / lengthB);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const sine = Math.sin(angle);
  if (!(sine > 1e-6)) return straight(a, b, share);
  const length = lengthA + share * (lengthB - lengthA);
  const [fromA, fromB] = [
    Math.sin((1 - share) * angle) / sine / lengthA,
    Math.sin(share * angle) / sine / lengthB,
  ];
  return a.map((value, i) => length * (fromA * value + fromB * b[i]));
}

/**
 * Codes along the way between two codes of all layers.
 *
 * @param {object} model `layerSizes`, `starts` and `isBernoulli` of a Model. Spherical ways go
 *   layer by layer; of bits' probabilities p around p = 1/2, as the networks take 2 p - 1.
 * @param {number} count of codes, both ends included.
 * @param {function} way `straight` or `spherical`.
 */
export function journey(model, a, b, count, way) {
  return Array.from({ length: count }, (_, index) => {
    const share = index / (count - 1);
    const z = new Float32Array(a.length);
    model.layerSizes.forEach((size, layer) => {
      const start = model.starts[layer];
      const [from, to] = [a, b].map((code) => code.subarray(start, start + size));
      if (!model.isBernoulli) z.set(way(from, to, share), start);
      else {
        const signed = [from, to].map((code) => code.map((p) => 2 * p - 1));
        const there = way(...signed, share).map((s) => Math.min(1, Math.max(0, (s + 1) / 2)));
        z.set(there, start);
      }
    });
    return z;
  });
}
