/** A clock that ticks at a chosen rate while it runs, at most once a frame. */
export class Clock {
  /**
   * @param {function} tick called at each tick.
   * @param {function(boolean)} changed called when it starts or stops.
   */
  constructor(tick, changed) {
    this.tick = tick;
    this.changed = changed;
    this.rate = 2;
    this.frame = 0;
  }

  get runs() {
    return this.frame !== 0;
  }

  start() {
    if (this.runs) return;
    let next = performance.now();
    const look = (now) => {
      this.frame = requestAnimationFrame(look);
      if (now < next) return;
      // A tab that slept does not catch up.
      next = Math.max(next + 1000 / this.rate, now);
      this.tick();
    };
    this.frame = requestAnimationFrame(look);
    this.changed(true);
  }

  stop() {
    if (!this.runs) return;
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.changed(false);
  }

  toggle() {
    if (this.runs) this.stop();
    else this.start();
  }
}
