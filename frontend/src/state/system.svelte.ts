/** What the lab runs on, read along with the list of jobs. */
import * as api from '../api/client';
import type { SystemOut } from '../api/types';

class System {
  facts = $state.raw<SystemOut | null>(null);
  /** Null while it is not known. */
  readonly workers: number | null = $derived(this.facts?.workers ?? null);
  /** Names by which a job is kept on a device, such as `cuda:1`; null while a worker has not said its own. */
  readonly devices: readonly string[] | null = $derived.by(() => {
    // Those that only import compute on no device.
    const seen = this.facts?.workers_seen.filter(({ lanes }) => lanes.some((lane) => lane !== 'import'));
    const names = seen?.map((worker) => worker.device_name) ?? [null];
    return names.includes(null) ? null : ([...new Set(names)] as string[]).sort();
  });
  /** Redis does not answer, so nobody is woken: workers find jobs by looking. */
  readonly isSilent: boolean = $derived(this.facts?.bell === false);

  async read(): Promise<void> {
    this.facts = await api.readSystem();
  }
}

export const system = new System();
