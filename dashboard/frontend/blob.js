/**
 * One binary message from Python: a JSON header and named arrays (see dashboard/blobs.py).
 *
 * Layout: "HHZ1", the header's length as uint32, the header in UTF-8, then each array at an offset
 * that is a multiple of 8. Everything is little-endian, as every browser's typed arrays are.
 */

const MAGIC = 0x315a4848; // "HHZ1" read as a little-endian uint32

const TYPES = {
  float16: Uint16Array,
  float32: Float32Array,
  int16: Int16Array,
  int32: Int32Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint8: Uint8Array,
};

/** The number that 16 bits stand for, for every pattern of 16 bits: filled on first use. */
let halves = null;

function halfTable() {
  if (halves) return halves;
  halves = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) halves[bits] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else if (exponent === 0) halves[bits] = sign * fraction * 2 ** -24;
    else halves[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return halves;
}

/** 16-bit floats as 32-bit ones. */
export function fromHalves(bits) {
  const table = halfTable();
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]];
  return out;
}

/** The header alone: to see whether the message is another one at all. */
export function readHeader(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 8 || view.getUint32(0, true) !== MAGIC) {
    throw new Error("This is no message of Helmholtz: reload the page.");
  }
  const length = view.getUint32(4, true);
  return JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
}

/**
 * Take a message apart.
 *
 * @param {Uint8Array} bytes as Streamlit hands them over.
 * @returns {{header: object, arrays: Object<string, TypedArray>}} `arrays` by name, 16-bit floats
 *   already widened; the others are views of a copy of the message.
 */
export function unpack(bytes) {
  const own = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const header = readHeader(own);
  const arrays = {};
  for (const [name, { type, offset, size }] of Object.entries(header.arrays)) {
    const raw = new TYPES[type](own.buffer, own.byteOffset + offset, size);
    arrays[name] = type === "float16" ? fromHalves(raw) : raw;
  }
  return { header, arrays };
}

/** Rows of bits, packed eight to a byte with the highest first, as bytes 0 and 255. */
export function unpackBits(packed, row, width, out = new Uint8Array(width)) {
  const start = row * Math.ceil(width / 8);
  for (let i = 0; i < width; i++)
    out[i] = (packed[start + (i >> 3)] >> (7 - (i & 7))) & 1 ? 255 : 0;
  return out;
}
