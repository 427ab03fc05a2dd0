/** The canvases of the latent pad: points, images or the manifold below; crosshair and pins above. */

import { el, rgb } from "../dom.js";
import { drawPoints, pixel, pointRadius } from "./points.js";

const ASIDE = 16; // screen pixels from a point to its image

const mix = (a, b, share) => a.map((value, i) => Math.round(value + share * (b[i] - value)));

/** 256 pixels of a few colours one after the other. */
export function ramp(colours) {
  const stops = colours.map(rgb);
  return Uint32Array.from({ length: 256 }, (_, index) => {
    const at = (index / 255) * (stops.length - 1);
    const from = Math.min(Math.floor(at), stops.length - 2);
    return pixel(mix(stops[from], stops[from + 1], at - from));
  });
}

export class PadMap {
  constructor(label, keys) {
    this.base = el("canvas", { class: "base", "aria-hidden": "true" });
    this.surface = el("canvas", {
      class: "surface",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "map",
      "aria-label": label,
      "aria-describedby": keys,
    });
    this.node = el("div", { class: "map" }, this.base, this.surface);
    this.pixels = null;
  }

  resize(viewport) {
    this.density = Math.min(2, window.devicePixelRatio || 1);
    for (const canvas of [this.base, this.surface]) {
      canvas.width = Math.round(viewport.width * this.density);
      canvas.height = Math.round(viewport.height * this.density);
      canvas.style.width = `${viewport.width}px`;
      canvas.style.height = `${viewport.height}px`;
    }
    this.node.style.height = `${viewport.height}px`;
    this.side = Math.round(viewport.side * this.density);
    this.image = new ImageData(this.side, this.side);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  /**
   * @param {object} scene `{viewport, colours, points, palette, show, manifold, thumbnails,
   *   imageCount, titles}`.
   */
  drawBase(scene) {
    const { viewport, colours, points, show } = scene;
    const context = this.base.getContext("2d", { alpha: false });
    context.setTransform(this.density, 0, 0, this.density, 0, 0);
    context.fillStyle = colours.background;
    context.fillRect(0, 0, viewport.width, viewport.height);
    const [ground, text] = [rgb(colours.background), rgb(colours.text)];
    this.pixels.fill(pixel(ground));
    if (show !== "manifold") {
      this.drawGrid(viewport, pixel(mix(ground, text, 0.09)));
      const images = show === "images" && scene.thumbnails;
      const radius = pointRadius(points.xs.length, viewport.home[2] / viewport.half);
      const what = {
        ...points,
        palette: scene.palette,
        muted: pixel(mix(ground, text, 0.18)),
        radius: (images ? Math.min(radius, 1.4) : radius) * this.density,
        strength: images ? 0.4 : 0.85,
      };
      if (radius <= 1) what.radius = this.density > 1 ? 1 : 0.5;
      drawPoints(this.pixels, what, {
        x: viewport.x,
        y: viewport.y,
        half: viewport.half,
        side: this.side,
      });
    }
    const [left, top] = [viewport.left, viewport.top].map((at) => Math.round(at * this.density));
    context.putImageData(this.image, left, top);
    context.save();
    context.beginPath();
    context.rect(viewport.left, viewport.top, viewport.side, viewport.side);
    context.clip();
    if (show === "manifold") scene.manifold?.draw(context, viewport);
    if (show === "images") {
      scene.thumbnails?.draw(context, viewport, points, scene.imageCount);
    }
    context.restore();
    viewport.drawAxes(context, colours, scene.titles);
  }

  drawGrid(viewport, colour) {
    const [across, up] = viewport.gridLines();
    for (const [at] of across) {
      const x = Math.round(at * this.density);
      if (x < 0 || x >= this.side) continue;
      for (let y = 0; y < this.side; y++) this.pixels[y * this.side + x] = colour;
    }
    for (const [at] of up) {
      const y = Math.round(at * this.density);
      if (y < 0 || y >= this.side) continue;
      this.pixels.fill(colour, y * this.side, (y + 1) * this.side);
    }
  }

  /**
   * @param {object} scene `{viewport, colours, here, nearest, thumbnail, pins, ways, outline}`:
   *   places in units of the plane, `outline` in screen pixels, `thumbnail` a canvas or null.
   */
  drawSurface(scene) {
    const { viewport, colours } = scene;
    const context = this.surface.getContext("2d");
    context.setTransform(this.density, 0, 0, this.density, 0, 0);
    context.clearRect(0, 0, viewport.width, viewport.height);
    context.save();
    context.beginPath();
    context.rect(viewport.left, viewport.top, viewport.side, viewport.side);
    context.clip();
    for (const { path, dash } of scene.ways) this.line(context, viewport, colours, path, dash);
    if (scene.outline?.length > 1) this.area(context, colours, scene.outline);
    if (scene.nearest) {
      const [x, y] = viewport.toPixel(...scene.nearest);
      this.twoTone(context, colours, 1.5, () => context.arc(x, y, 6, 0, 2 * Math.PI));
      if (scene.thumbnail) this.thumbnail(context, viewport, colours, scene.thumbnail, x, y);
    }
    if (scene.here) this.crosshair(context, viewport, colours, scene.here);
    scene.pins.forEach(({ place, chosen }, index) => {
      if (place) this.marker(context, viewport, colours, place, `${index + 1}`, chosen);
    });
    context.restore();
  }

  /** A line that is seen on light and on dark ground, and on images. */
  twoTone(context, colours, width, path) {
    for (const [colour, wide] of [
      [colours.background, width + 2],
      [colours.text, width],
    ]) {
      context.beginPath();
      path();
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.stroke();
    }
  }

  /** An image beside the point (x, y), inside the plot. */
  thumbnail(context, { left, top, side }, colours, image, x, y) {
    const [wide, high] = [image.width * 2, image.height * 2];
    const right = x + ASIDE + wide < left + side;
    const above = y - ASIDE - high > top;
    const place = [right ? x + ASIDE : x - ASIDE - wide, above ? y - ASIDE - high : y + ASIDE];
    context.fillStyle = colours.background;
    context.fillRect(...place, wide, high);
    context.imageSmoothingEnabled = false;
    context.drawImage(image, ...place, wide, high);
    this.twoTone(context, colours, 1, () => context.rect(...place, wide, high));
  }

  crosshair(context, viewport, colours, here) {
    const [x, y] = viewport.toPixel(...here);
    this.twoTone(context, colours, 1.5, () => {
      for (const [dx, dy] of [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ]) {
        context.moveTo(x + 4 * dx, y + 4 * dy);
        context.lineTo(x + 13 * dx, y + 13 * dy);
      }
    });
  }

  line(context, viewport, colours, path, dash) {
    context.setLineDash(dash);
    this.twoTone(context, colours, 1.5, () => {
      for (const place of path) context.lineTo(...viewport.toPixel(...place));
    });
    context.setLineDash([]);
  }

  area(context, colours, outline) {
    context.beginPath();
    for (const place of outline) context.lineTo(...place);
    context.closePath();
    context.globalAlpha = 0.15;
    context.fillStyle = colours.primary;
    context.fill();
    context.globalAlpha = 1;
    context.setLineDash([5, 4]);
    context.lineWidth = 1.5;
    context.strokeStyle = colours.primary;
    context.stroke();
    context.setLineDash([]);
  }

  marker(context, viewport, colours, place, text, chosen) {
    const [x, y] = viewport.toPixel(...place);
    context.beginPath();
    context.arc(x, y, 10, 0, 2 * Math.PI);
    context.fillStyle = chosen ? colours.primary : colours.background;
    context.fill();
    context.strokeStyle = chosen ? colours.background : colours.text;
    context.lineWidth = 1.5;
    context.stroke();
    context.fillStyle = chosen ? "#ffffff" : colours.text;
    context.font = `600 12px ${colours.font}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text, x, y + 0.5);
  }
}
