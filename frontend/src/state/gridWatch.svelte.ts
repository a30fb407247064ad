/** One grid, looked at every other second until nothing of it waits or runs. */
import * as api from '../api/grids';
import { shown, type ApiError } from '../api/errors';
import type { GridDetail } from '../api/types';
import { jobs } from './jobs.svelte';

const EVERY_MS = 2000;

export class GridWatch {
  grid = $state.raw<GridDetail | null>(null);
  error = $state.raw<ApiError | null>(null);
  busy = $state(false);
  readonly id: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #turn = 0;

  constructor(id: string) {
    this.id = id;
  }

  /** Starts looking; returns how to stop. */
  start(): () => void {
    const onVisible = (): void => void (document.visibilityState === 'visible' && this.look());
    document.addEventListener('visibilitychange', onVisible);
    void this.look();
    return () => {
      this.#turn += 1;
      clearTimeout(this.#timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }

  async look(): Promise<void> {
    const turn = ++this.#turn;
    clearTimeout(this.#timer);
    try {
      const grid = await api.readGrid(this.id);
      if (turn !== this.#turn) return;
      [this.grid, this.error] = [grid, null];
    } catch (thrown) {
      if (turn !== this.#turn) return;
      this.error = shown(thrown);
    }
    const goesOn = this.grid !== null ? !this.grid.is_over : this.error?.status === 0;
    if (goesOn && document.visibilityState !== 'hidden')
      this.#timer = setTimeout(() => void this.look(), EVERY_MS);
  }

  async pause(): Promise<void> {
    await this.#act(api.pauseGrid);
  }

  async resume(): Promise<void> {
    await this.#act(api.resumeGrid);
  }

  async cancel(): Promise<void> {
    await this.#act(api.cancelGrid);
  }

  async #act(work: (id: string) => Promise<unknown>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      await work(this.id);
      await this.look();
    } catch (thrown) {
      await this.look();
      this.error = shown(thrown);
    } finally {
      this.busy = false;
      void jobs.refresh();
    }
  }
}
