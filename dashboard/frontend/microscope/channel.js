/**
 * Messages from one component to another on the same page.
 *
 * A component that holds megabytes of weights must not get them again because a few numbers have
 * changed: the numbers come by a component of their own, which passes them on here.
 */

const latest = new Map();
const listeners = new Map();

/** Pass a value on; whoever subscribes later gets the last one too. */
export function publish(name, value) {
  latest.set(name, value);
  for (const listener of listeners.get(name) ?? []) listener(value);
}

/** Forget the last value: it is about something that is no longer on the page. */
export function retract(name) {
  latest.delete(name);
}

/** @returns {function} ends it. */
export function subscribe(name, listener) {
  if (!listeners.has(name)) listeners.set(name, new Set());
  listeners.get(name).add(listener);
  if (latest.has(name)) listener(latest.get(name));
  return () => listeners.get(name).delete(listener);
}
