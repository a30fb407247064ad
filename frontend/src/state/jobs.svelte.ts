/** The latest jobs, looked at every few seconds while someone is signed in and the page is visible. */
import * as api from '../api/client';
import { shown, type ApiError } from '../api/errors';
import { isTerminal, type JobOut } from '../api/types';

const BUSY_MS = 2000;
const IDLE_MS = 6000;
const LIMIT = 100;

class Jobs {
  items = $state.raw<JobOut[] | null>(null);
  error = $state.raw<ApiError | null>(null);
  readonly active: JobOut[] = $derived((this.items ?? []).filter((job) => !isTerminal(job.state)));
  #timer: ReturnType<typeof setTimeout> | undefined;
  #finishedListeners = new Set<(job: JobOut) => void>();

  /** Starts looking; returns how to stop. */
  start(): () => void {
    const onVisible = (): void => void (document.visibilityState === 'visible' && this.refresh());
    document.addEventListener('visibilitychange', onVisible);
    void this.refresh();
    return () => {
      clearTimeout(this.#timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }

  /** Calls `listener` for every job that ends from now on; returns how to stop. */
  onFinished(listener: (job: JobOut) => void): () => void {
    this.#finishedListeners.add(listener);
    return () => this.#finishedListeners.delete(listener);
  }

  async refresh(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      this.#take(await api.listJobs(LIMIT));
      this.error = null;
    } catch (thrown) {
      this.error = shown(thrown);
    }
    clearTimeout(this.#timer);
    if (document.visibilityState === 'hidden') return;
    this.#timer = setTimeout(() => void this.refresh(), this.active.length > 0 ? BUSY_MS : IDLE_MS);
  }

  async cancel(id: string): Promise<void> {
    await api.cancelJob(id);
    await this.refresh();
  }

  find(id: string): JobOut | null {
    return this.items?.find((job) => job.id === id) ?? null;
  }

  #take(items: JobOut[]): void {
    const running = new Set(this.active.map((job) => job.id));
    this.items = items;
    for (const job of items) {
      if (running.has(job.id) && isTerminal(job.state)) for (const tell of this.#finishedListeners) tell(job);
    }
  }
}

export const jobs = new Jobs();
