/** Mouse, touch, pen and keys on the map, as what is meant by them. */

const CLICK = 4; // screen pixels that a click may move
const TWICE = 320; // milliseconds between two taps

/**
 * Listen on a canvas.
 *
 * @param {HTMLElement} surface
 * @param {object} on `at(x, y, hovering)`: a place is pointed at; `left()`; `pan(dx, dy)`; `zoom(x, y, factor)`;
 *   `click(x, y, event)`; `outline(path, isBox, ended)`; `key(event)`; `rest()`: motion has ended.
 * @param {function(): string} tool "move", "lasso" or "box".
 */
export function gestures(surface, on, tool) {
  const down = new Map(); // pointers that touch the surface: id to place
  let start = null; // of the one pointer: where it went down
  let moved = false;
  let path = null;
  let lastTap = null;
  let waiting = 0;

  const place = (event) => {
    const box = surface.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const middle = () => {
    const [a, b] = [...down.values()];
    return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, Math.hypot(a[0] - b[0], a[1] - b[1])];
  };

  const pressed = (event) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    try {
      surface.setPointerCapture(event.pointerId);
    } catch {
      // A pointer that the browser does not know: it then ends where it leaves the surface.
    }
    const at = place(event);
    down.set(event.pointerId, at);
    moved = down.size > 1;
    start = at;
    path = down.size === 1 && tool() !== "move" ? [at] : null;
    if (down.size === 1 && event.pointerType !== "mouse") on.at(...at, false);
  };

  const motion = (event) => {
    const at = place(event);
    const before = down.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse" || event.pointerType === "pen") on.at(...at, true);
      return;
    }
    if (down.size === 2) {
      const [x0, y0, apart0] = middle();
      down.set(event.pointerId, at);
      const [x1, y1, apart1] = middle();
      on.pan(x1 - x0, y1 - y0);
      if (apart0 > 8 && apart1 > 8) on.zoom(x1, y1, apart1 / apart0);
      moved = true;
      return;
    }
    if (!moved && Math.hypot(at[0] - start[0], at[1] - start[1]) < CLICK) return;
    const first = !moved;
    moved = true;
    down.set(event.pointerId, at);
    if (path) {
      path.push(at);
      on.outline(path, tool() === "box", false);
    } else if (event.pointerType === "mouse") {
      const [x, y] = first ? start : before;
      on.pan(at[0] - x, at[1] - y);
    } else on.at(...at, false);
  };

  const released = (event) => {
    if (!down.delete(event.pointerId)) return;
    if (path && moved && event.type === "pointerup") on.outline(path, tool() === "box", true);
    else if (!moved && event.type === "pointerup") tapped(event);
    path = null;
    if (down.size === 1) {
      // One finger of two stays: it moves the crosshair from where it is, and is no tap.
      start = [...down.values()][0];
      moved = true;
    } else on.rest();
  };

  /** A tap pins only once no second one has followed: two of them zoom. */
  const tapped = (event) => {
    if (event.pointerType === "mouse") {
      on.click(...start, event);
      return;
    }
    const now = performance.now();
    const at = start;
    clearTimeout(waiting);
    if (lastTap && now - lastTap.when < TWICE) {
      const [x, y] = lastTap.at;
      lastTap = null;
      if (Math.hypot(at[0] - x, at[1] - y) < 40) {
        on.zoom(...at, 2);
        on.rest();
        return;
      }
    }
    lastTap = { when: now, at };
    waiting = setTimeout(() => on.click(...at, event), TWICE);
  };

  const wheel = (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : 1;
    const factor = Math.exp(Math.min(80, Math.max(-80, -event.deltaY * lines)) / 300);
    on.zoom(...place(event), factor);
    on.rest();
  };

  const listeners = {
    pointerdown: pressed,
    pointermove: motion,
    pointerup: released,
    pointercancel: released,
    pointerleave: () => on.left(),
    keydown: (event) => on.key(event),
  };
  for (const [name, listener] of Object.entries(listeners)) {
    surface.addEventListener(name, listener);
  }
  surface.addEventListener("wheel", wheel, { passive: false });
  return () => clearTimeout(waiting);
}
