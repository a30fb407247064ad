/** Runs the newest of many calls, one at a time: while one runs only the last of those that came meanwhile waits. */
import type { Latest } from './latest';

/** A run older than this is given up for a newer call; younger ones are let finish, so that a drag shows every step it can. */
const PATIENCE_MS = 1500;

/**
 * Answers never arrive in another order than they were asked for, and the last call is always answered.
 *
 * Unlike `latest` it does not wait for a pause: the first call runs at once. `work` must pass the signal on and look at
 * `signal.aborted` before it shows its answer.
 */
export function newest<A extends unknown[]>(
  work: (signal: AbortSignal, ...args: A) => Promise<void>,
  patience_ms = PATIENCE_MS,
): Latest<A> {
  let running: { controller: AbortController; since: number } | null = null;
  let waiting: A | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const start = (): void => {
    clearTimeout(timer);
    if (waiting === null) return;
    const args = waiting;
    waiting = null;
    const mine = { controller: new AbortController(), since: performance.now() };
    running = mine;
    const next = (): void => {
      if (running !== mine) return;
      running = null;
      start();
    };
    work(mine.controller.signal, ...args).then(next, next);
  };
  const giveUp = (): void => {
    running?.controller.abort();
    running = null;
    start();
  };
  const call = (...args: A): void => {
    const first = waiting === null;
    waiting = args;
    if (running === null) start();
    else if (first) timer = setTimeout(giveUp, Math.max(0, running.since + patience_ms - performance.now()));
  };
  const cancel = (): void => {
    clearTimeout(timer);
    waiting = null;
    running?.controller.abort();
    running = null;
  };
  return Object.assign(call, { cancel });
}
