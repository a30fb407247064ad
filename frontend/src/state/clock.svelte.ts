/** The time as state, for what ages in sight: UTC seconds, a new value every second. */

/** Ticks while an effect holds it: call it in `$effect`-using components and read `now`. */
export class Clock {
  now = $state(Date.now() / 1000);

  /** Starts ticking; returns how to stop. */
  start(): () => void {
    const timer = setInterval(() => (this.now = Date.now() / 1000), 1000);
    return () => clearInterval(timer);
  }
}
