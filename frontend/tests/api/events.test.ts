import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { follow, type Source } from '../../src/api/events';
import type { JobEvent } from '../../src/api/types';

/** Stands in for the network: the edge of the process, driven by hand. */
class Wire implements Source {
  readyState = 0;
  onopen: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  listeners = new Map<string, (event: MessageEvent<string>) => void>();
  closed = false;
  addEventListener(kind: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(kind, listener);
  }
  close(): void {
    this.closed = true;
  }
  send(event: Partial<JobEvent> & { kind: string }): void {
    this.listeners.get(event.kind)?.(new MessageEvent(event.kind, { data: JSON.stringify(event) }));
  }
  breakDown(readyState: number): void {
    this.readyState = readyState;
    this.onerror?.(new Event('error'));
  }
}

function watch() {
  const wires: Wire[] = [];
  const seen: number[] = [];
  const connected: boolean[] = [];
  const stop = follow(
    'job1',
    { onEvent: ({ seq }) => seen.push(seq), onConnected: (is) => connected.push(is) },
    () => {
      wires.push(new Wire());
      return wires.at(-1) as Wire;
    },
  );
  return { wires, seen, connected, stop };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('following a job', () => {
  it('hears every number once when a reopened stream starts from the beginning', async () => {
    const { wires, seen } = watch();
    wires[0]?.send({ kind: 'log', seq: 1 });
    wires[0]?.send({ kind: 'progress', seq: 2 });
    wires[0]?.breakDown(2); // closed for good: an error page instead of a stream
    await vi.advanceTimersByTimeAsync(1000);
    wires[1]?.send({ kind: 'log', seq: 1 });
    wires[1]?.send({ kind: 'progress', seq: 2 });
    wires[1]?.send({ kind: 'progress', seq: 3 });
    expect(seen).toEqual([1, 2, 3]);
  });

  it('leaves a connection to the browser that the browser is picking up itself', async () => {
    const { wires, connected } = watch();
    wires[0]?.breakDown(0); // connecting again, with Last-Event-ID
    await vi.advanceTimersByTimeAsync(60_000);
    expect(wires).toHaveLength(1);
    expect(connected).toEqual([false]);
  });

  it('waits longer after every failure, and at most ten seconds', async () => {
    const { wires } = watch();
    for (const wait of [1000, 2000, 4000, 8000, 10_000, 10_000]) {
      const before = wires.length;
      wires.at(-1)?.breakDown(2);
      await vi.advanceTimersByTimeAsync(wait - 1);
      expect(wires).toHaveLength(before);
      await vi.advanceTimersByTimeAsync(1);
      expect(wires).toHaveLength(before + 1);
    }
  });

  it('closes the stream at the terminal state, so that the browser does not open it again', () => {
    const { wires } = watch();
    wires[0]?.send({ kind: 'state', seq: 1, state: 'running' });
    expect(wires[0]?.closed).toBe(false);
    wires[0]?.send({ kind: 'state', seq: 2, state: 'succeeded' });
    expect(wires[0]?.closed).toBe(true);
  });

  it('opens nothing any more once the page is left', async () => {
    const { wires, stop } = watch();
    wires[0]?.breakDown(2);
    stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(wires).toHaveLength(1);
  });
});
