/** What a grid that has not been sent would compute: asked again when it changes, and only the latest answer is shown. */
import { planGrid } from '../api/grids';
import { shown, type ApiError } from '../api/errors';
import type { GridIn, GridPlan } from '../api/types';
import { latest } from '../lib/latest';

const WAIT_MS = 300;

export class Plan {
  answer = $state.raw<GridPlan | null>(null);
  /** What is shown belongs to an earlier choice. */
  isAsking = $state(false);
  error = $state.raw<ApiError | null>(null);
  #asked = '';
  #ask = latest(async (signal: AbortSignal, grid: GridIn) => {
    try {
      const answer = await planGrid(grid, signal);
      if (signal.aborted) return;
      [this.answer, this.error] = [answer, null];
    } catch (thrown) {
      if (signal.aborted) return;
      [this.answer, this.error] = [null, shown(thrown)];
    }
    this.isAsking = false;
  }, WAIT_MS);

  /** Asks about `grid` unless it has; `queue` stands for all else that an answer depends on. No grid, no question. */
  ask(grid: GridIn | null, queue: string): void {
    const asked = JSON.stringify([grid, queue]);
    if (asked === this.#asked) return;
    this.#asked = asked;
    this.stop();
    if (grid === null) {
      [this.answer, this.error] = [null, null];
    } else {
      this.isAsking = true;
      this.#ask(grid);
    }
  }

  /** Forgets the question that is under way. */
  stop(): void {
    this.#ask.cancel();
    this.isAsking = false;
  }
}
