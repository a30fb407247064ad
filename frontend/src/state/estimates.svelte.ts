/** What the lab expects of jobs that have not been sent: asked again when they change, and only the latest answer is shown. */
import * as api from '../api/client';
import { shown, type ApiError } from '../api/errors';
import type { Expected, Part } from '../lib/expected';
import { latest } from '../lib/latest';

const WAIT_MS = 400;
const PENDING_MS = 1000;

export class Estimates {
  expected = $state.raw<readonly Expected[]>([]);
  /** What is shown belongs to an earlier choice. */
  isAsking = $state(false);
  error = $state.raw<ApiError | null>(null);
  #asked = '';
  #again: ReturnType<typeof setTimeout> | undefined;
  #ask = latest(async (signal: AbortSignal, parts: readonly Part[]) => {
    try {
      const told = parts.map(async (part) => ({ part, answer: await api.estimateJob(part.body, signal) }));
      const expected = await Promise.all(told);
      if (signal.aborted) return;
      this.expected = expected;
      this.error = null;
      if (expected.some(({ answer }) => answer.pending))
        this.#again = setTimeout(() => this.#ask(parts), PENDING_MS);
    } catch (thrown) {
      if (signal.aborted) return;
      this.expected = [];
      this.error = shown(thrown);
    }
    this.isAsking = false;
  }, WAIT_MS);

  /** Asks about `parts` unless it has; `queue` stands for all else that an answer depends on. No parts, no question. */
  ask(parts: readonly Part[], queue: string): void {
    const asked = JSON.stringify([parts, queue]);
    if (asked === this.#asked) return;
    this.#asked = asked;
    clearTimeout(this.#again);
    if (parts.length > 0) {
      this.isAsking = true;
      this.#ask(parts);
    } else {
      this.stop();
      this.expected = [];
      this.error = null;
    }
  }

  /** Forgets the question that is under way. */
  stop(): void {
    clearTimeout(this.#again);
    this.#ask.cancel();
    this.isAsking = false;
  }
}
