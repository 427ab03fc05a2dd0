/** A clock that moves through recorded steps: play, pause, step, speed. Knows no pictures. */

export const SPEEDS = [1, 2, 5, 10, 20, 30, 60, 120, 240]; // steps a second

export class Playback {
  /**
   * @param {object} listeners `shown(step)` at every step that is to be drawn, once a frame;
   *   `changed()` when playing, speed or length changed; `rested()` when the step came to rest.
   */
  constructor({ shown, changed, rested }) {
    Object.assign(this, { shown, changed, rested });
    this.length = 1;
    this.step = 0;
    this.playing = false;
    this.speed = 3; // an index of SPEEDS
    this.end = null; // where to stop playing, before the recording does
    this.complete = false; // whether no more steps will come
    this.frame = 0;
  }

  get perSecond() {
    return SPEEDS[this.speed];
  }

  get last() {
    return this.length - 1;
  }

  /** More steps are here. */
  grow(length) {
    this.length = length;
    this.changed();
  }

  play() {
    if (this.playing) return;
    if (this.complete && this.step === this.last) this.move(0);
    this.playing = true;
    this.due = 0;
    this.before = performance.now();
    this.frame = requestAnimationFrame((now) => this.#tick(now));
    this.changed();
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.end = null;
    cancelAnimationFrame(this.frame);
    this.changed();
    this.rested();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  /** Show a step of the recording, the nearest there is; pauses. */
  go(step) {
    this.pause();
    this.move(step);
    this.rested();
  }

  /** Show a step without a pause. */
  move(step) {
    this.step = Math.min(Math.max(Math.round(step), 0), this.last);
    this.shown(this.step);
    this.changed();
  }

  faster(by) {
    this.speed = Math.min(Math.max(this.speed + by, 0), SPEEDS.length - 1);
    this.changed();
  }

  /** What a key does; true if it does something. */
  key(name) {
    const keys = {
      " ": () => this.toggle(),
      ArrowRight: () => this.go(this.step + 1),
      ArrowLeft: () => this.go(this.step - 1),
      Home: () => this.go(0),
      End: () => this.go(this.last),
      "+": () => this.faster(1),
      "=": () => this.faster(1),
      "-": () => this.faster(-1),
    };
    if (!(name in keys)) return false;
    keys[name]();
    return true;
  }

  #tick(now) {
    // A tab that slept goes on where it was, it does not catch up.
    this.due += Math.min(Math.max(now - this.before, 0), 250) * (this.perSecond / 1000);
    this.before = now;
    const whole = Math.floor(this.due);
    this.due -= whole;
    const last = Math.min(this.last, this.end ?? this.last);
    const step = Math.min(this.step + whole, last);
    if (step > this.step) this.move(step);
    const over = this.complete && step === this.last;
    if (over || (this.end !== null && step >= this.end)) this.pause();
    if (this.playing) this.frame = requestAnimationFrame((time) => this.#tick(time));
  }

  destroy() {
    this.playing = false;
    cancelAnimationFrame(this.frame);
  }
}
