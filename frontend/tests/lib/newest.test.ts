import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { newest } from '../../src/lib/newest';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Work that ends when told to, and what it was asked for. */
function held() {
  const asked: string[] = [];
  const ends: (() => void)[] = [];
  const signals: AbortSignal[] = [];
  const work = (signal: AbortSignal, text: string): Promise<void> => {
    asked.push(text);
    signals.push(signal);
    return new Promise((resolve) => ends.push(resolve));
  };
  return { asked, ends, signals, work };
}

it('runs the first call at once and of those meanwhile only the last', async () => {
  const { asked, ends, signals, work } = held();
  const call = newest(work);
  for (const text of ['a', 'b', 'c', 'd']) call(text);
  expect(asked).toEqual(['a']);
  ends[0]?.();
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual(['a', 'd']);
  expect(signals[0]?.aborted).toBe(false);
});

it('never has two answers on their way that both may be shown', async () => {
  const { ends, signals, work } = held();
  const call = newest(work);
  for (let i = 0; i < 20; i += 1) {
    call(String(i));
    if (i % 3 === 0) ends.at(-1)?.();
    await vi.advanceTimersByTimeAsync(150);
    expect(signals.filter((signal, n) => !signal.aborted && n >= ends.length - 1)).toHaveLength(1);
  }
});

it('gives up a run that takes too long once there is something newer', async () => {
  const { asked, signals, work } = held();
  const call = newest(work, 400);
  call('slow');
  await vi.advanceTimersByTimeAsync(1000);
  expect(signals[0]?.aborted).toBe(false); // nothing newer: it may take its time
  call('new');
  await vi.advanceTimersByTimeAsync(0);
  expect([asked, signals[0]?.aborted]).toEqual([['slow', 'new'], true]);
});

it('goes on after a run that failed', async () => {
  const failing = vi.fn(() => Promise.reject(new Error('no')));
  const call = newest(failing);
  call();
  await vi.advanceTimersByTimeAsync(0);
  call();
  expect(failing).toHaveBeenCalledTimes(2);
});

it('runs nothing after a cancel', async () => {
  const { asked, ends, signals, work } = held();
  const call = newest(work);
  call('a');
  call('b');
  call.cancel();
  ends[0]?.();
  await vi.advanceTimersByTimeAsync(1000);
  expect([asked, signals[0]?.aborted]).toEqual([['a'], true]);
});
