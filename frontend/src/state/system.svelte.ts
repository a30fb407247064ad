/** What the lab runs on, read along with the list of jobs. */
import * as api from '../api/client';
import type { SystemOut } from '../api/types';

class System {
  facts = $state.raw<SystemOut | null>(null);
  /** Null while it is not known. */
  readonly workers: number | null = $derived(this.facts?.workers ?? null);
  /** Where a running job computes; null where several workers may differ. */
  readonly device: string | null = $derived(this.workers === 1 ? (this.facts?.device ?? null) : null);

  async read(): Promise<void> {
    this.facts = await api.readSystem();
  }
}

export const system = new System();
