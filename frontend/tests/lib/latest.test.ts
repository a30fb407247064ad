import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { latest } from '../../src/lib/latest';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('runs only the last of calls in quick succession', async () => {
  const seen: number[] = [];
  const call = latest(async (_signal, value: number) => void seen.push(value), 100);
  call(1);
  call(2);
  await vi.advanceTimersByTimeAsync(99);
  call(3);
  await vi.advanceTimersByTimeAsync(100);
  expect(seen).toEqual([3]);
});

it('aborts the running call when the next one comes', async () => {
  const signals: AbortSignal[] = [];
  const call = latest(async (signal) => void signals.push(signal), 10);
  call();
  await vi.advanceTimersByTimeAsync(10);
  call();
  expect(signals.map((signal) => signal.aborted)).toEqual([true]);
});
