/** Runs the last of many calls: earlier ones are aborted, and their answers never arrive. */

export interface Latest<A extends unknown[]> {
  (...args: A): void;
  cancel(): void;
}

/**
 * `work` runs `wait_ms` after the last call; a running one is aborted by the next call.
 *
 * `work` must pass the signal on and look at `signal.aborted` before it shows its answer.
 */
export function latest<A extends unknown[]>(
  work: (signal: AbortSignal, ...args: A) => Promise<void>,
  wait_ms: number,
): Latest<A> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: AbortController | undefined;
  const cancel = (): void => {
    clearTimeout(timer);
    running?.abort();
  };
  const call = (...args: A): void => {
    cancel();
    timer = setTimeout(() => {
      running = new AbortController();
      void work(running.signal, ...args);
    }, wait_ms);
  };
  return Object.assign(call, { cancel });
}
