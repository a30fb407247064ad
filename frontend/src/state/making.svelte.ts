/** A built-in set in the making: asked for by a button, followed by it, and gone to in the end. */
import { addBuiltin } from '../api/imports';
import { ApiError, shown } from '../api/errors';
import type { BuiltinSource, JobOut } from '../api/types';
import { jobs } from './jobs.svelte';
import { location } from './location.svelte';
import { datasets } from './shelf.svelte';

export class Making {
  /** The job that is followed. */
  job = $state.raw<JobOut | null>(null);
  error = $state.raw<ApiError | null>(null);
  #asked = $state<BuiltinSource | null>(null);

  /** `address` is where to go once the set is there; `onaccepted` hears of the job before it is followed. */
  constructor(
    private readonly address: (datasetId: string) => string,
    private readonly onaccepted: (job: JobOut) => void = () => undefined,
  ) {}

  /** What is being made, or asked for. */
  get source(): BuiltinSource | null {
    return this.#asked;
  }

  async make(source: BuiltinSource, count: number | null = null): Promise<void> {
    [this.#asked, this.error] = [source, null];
    try {
      const job = await addBuiltin(source, count);
      this.onaccepted(job);
      void jobs.refresh();
      if (job.state === 'succeeded') await this.ended(job);
      else this.job = job;
    } catch (thrown) {
      [this.#asked, this.error] = [null, shown(thrown)];
    }
  }

  /** What `ImportFollow` says in the end. */
  ended = async (job: JobOut): Promise<void> => {
    [this.job, this.#asked] = [null, null];
    if (job.error) this.error = new ApiError(0, job.error.code, job.error.message);
    if (job.state !== 'succeeded' || job.dataset_id === null) return;
    await datasets.reload();
    location.go(this.address(job.dataset_id));
  };
}
