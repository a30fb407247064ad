/** The latest jobs, looked at every few seconds while someone is signed in and the page is visible. */
import * as api from '../api/client';
import { shown, type ApiError } from '../api/errors';
import { isTerminal, type JobOut } from '../api/types';
import { system } from './system.svelte';

const BUSY_MS = 2000;
const IDLE_MS = 6000;
const LIMIT = 100;

class Jobs {
  items = $state.raw<JobOut[] | null>(null);
  error = $state.raw<ApiError | null>(null);
  /** The lab does not answer: what is shown is as old as that, and jobs go on without this page. */
  readonly isCutOff: boolean = $derived(this.error?.code === 'unreachable');
  readonly active: JobOut[] = $derived((this.items ?? []).filter((job) => !isTerminal(job.state)));
  /** Changes when a job comes, starts or ends. */
  readonly standing: string = $derived(this.active.map(({ id, state }) => `${id} ${state}`).join());
  #turn = 0;
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
    const turn = ++this.#turn;
    try {
      const [items] = await Promise.all([api.listJobs(LIMIT), system.read()]);
      if (turn !== this.#turn) return; // a later look may already have shown what came after this answer
      this.#take(items);
      this.error = null;
    } catch (thrown) {
      if (turn !== this.#turn) return;
      this.error = shown(thrown);
    }
    clearTimeout(this.#timer);
    if (document.visibilityState === 'hidden') return;
    const busy = this.active.length > 0 || this.isCutOff;
    this.#timer = setTimeout(() => void this.refresh(), busy ? BUSY_MS : IDLE_MS);
  }

  async pause(id: string): Promise<JobOut> {
    return this.#changed(await api.pauseJob(id));
  }

  async resume(id: string): Promise<JobOut> {
    return this.#changed(await api.resumeJob(id));
  }

  async cancel(id: string): Promise<JobOut> {
    return this.#changed(await api.cancelJob(id));
  }

  /** Jobs that go on where this one ended, the oldest first. */
  thatContinue(id: string): JobOut[] {
    return (this.items ?? []).filter((job) => job.continues === id).toReversed();
  }

  find(id: string): JobOut | null {
    return this.items?.find((job) => job.id === id) ?? null;
  }

  /** Shows the row that an action answered with at once, then looks again. */
  #changed(job: JobOut): JobOut {
    this.#take((this.items ?? []).map((each) => (each.id === job.id ? job : each)));
    void this.refresh();
    return job;
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
