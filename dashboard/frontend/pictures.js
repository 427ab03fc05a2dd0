/** Pictures with hidden pixels in orange, spreads in Inferno; one ImageData a canvas, kept. */

export const HIDDEN = [230, 159, 0]; // orange of Okabe and Ito (2008), as in dashboard/logic/impute/imputation.py

// Inferno (van der Walt and Smith 2015) at equal distances: brighter is more, in grey as well.
const STOPS = [
  [0, 0, 4],
  [40, 11, 84],
  [101, 21, 110],
  [159, 42, 99],
  [212, 72, 66],
  [245, 125, 21],
  [250, 193, 39],
  [252, 255, 164],
];

const TABLE = Uint8Array.from({ length: 3 * 256 }, (_, at) => {
  const place = (Math.floor(at / 3) / 255) * (STOPS.length - 1);
  const below = Math.min(Math.floor(place), STOPS.length - 2);
  const [low, high] = [STOPS[below][at % 3], STOPS[below + 1][at % 3]];
  return Math.round(low + (place - below) * (high - low));
});

const kept = new WeakMap();

/** Fill a canvas of the image's own size: `colour(i, out, at)` writes three bytes of pixel i. */
function fill(canvas, colour) {
  let image = kept.get(canvas);
  if (!image || image.width !== canvas.width || image.height !== canvas.height) {
    image = new ImageData(canvas.width, canvas.height);
    image.data.fill(255);
    kept.set(canvas, image);
  }
  const count = canvas.width * canvas.height;
  for (let i = 0; i < count; i++) colour(i, image.data, 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Bytes, grey or in colour: one for each pixel, or three. */
export function paintBytes(canvas, bytes) {
  paintHidden(canvas, bytes, []);
}

/**
 * Bytes with the hidden pixels in orange.
 *
 * @param {ArrayLike<number>} hidden 1 for hidden pixels.
 * @param {number} shine how much of the hidden pixels shines through, 0 to 1.
 */
export function paintHidden(canvas, bytes, hidden, shine = 0) {
  const step = bytes.length > canvas.width * canvas.height ? 3 : 1;
  fill(canvas, (i, out, at) => {
    for (let c = 0; c < 3; c++) {
      const byte = bytes[step * i + (step > 1 ? c : 0)];
      out[at + c] = hidden[i] ? HIDDEN[c] + shine * (byte - HIDDEN[c]) : byte;
    }
  });
}

/** Values from 0 to 1 (and above) in Inferno. */
export function paintHeat(canvas, values) {
  fill(canvas, (i, out, at) => {
    const row = 3 * Math.round(Math.min(Math.max(values[i], 0), 1) * 255);
    out[at] = TABLE[row];
    out[at + 1] = TABLE[row + 1];
    out[at + 2] = TABLE[row + 2];
  });
}
