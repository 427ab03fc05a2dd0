/** What the server knows about the image under the microscope, passed on to it (see channel.js). */

import { unpack } from "../blob.js";
import { keep } from "../dom.js";
import { publish, retract } from "./channel.js";

export default function (component) {
  return keep(component, () => {
    let seen = null;
    let channel = null;
    return {
      update({ data }) {
        if (!data) return;
        const { header, arrays } = unpack(data);
        if (header.version === seen) return;
        seen = header.version;
        channel = header.channel;
        publish(channel, { header, arrays });
      },
      destroy() {
        if (channel) retract(channel);
      },
    };
  });
}
