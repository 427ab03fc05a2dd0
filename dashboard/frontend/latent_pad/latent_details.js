/** Takes thumbnails and codes for the map that is on the page; shows nothing itself. */

import { readHeader, unpack } from "../blob.js";
import { keep } from "../dom.js";
import { give, has } from "./details.js";

export default function (component) {
  return keep(component, () => ({
    update({ data }) {
      if (!has(readHeader(data).token)) give(unpack(data));
    },
    destroy() {},
  }));
}
