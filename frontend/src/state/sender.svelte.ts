/** Who sends jobs from here and how pressing they are. The name stays in this browser, the rest in the address. */
import { location } from './location.svelte';

export type Priority = 'low' | 'normal' | 'high';

export const PRIORITIES: Record<Priority, number> = { low: -1, normal: 0, high: 1 };

const KEPT_AS = 'submitter';
const DEVICE = /^(cpu|cuda:\d{1,2})$/;

class Sender {
  name = $state(kept());
  readonly priority: Priority = $derived.by(() => {
    const asked = location.query.get('priority') ?? '';
    return Object.hasOwn(PRIORITIES, asked) ? (asked as Priority) : 'normal';
  });

  /** The only device on which the job may run, or null for any. */
  readonly device: string | null = $derived(DEVICE.exec(location.query.get('device') ?? '')?.[0] ?? null);

  rename(name: string): void {
    this.name = name;
    try {
      localStorage.setItem(KEPT_AS, name);
    } catch {
      // Storage is switched off: the name lasts until the page is left.
    }
  }

  hurry(priority: Priority): void {
    location.note({ priority: priority === 'normal' ? null : priority });
  }

  /** Keeps jobs on `device`; empty for any. */
  keepOn(device: string): void {
    location.note({ device });
  }

  /** What a job that is sent now says of this. */
  get says(): { submitter: string | null; priority: number; device: string | null } {
    return {
      submitter: this.name.trim() || null,
      priority: PRIORITIES[this.priority],
      device: this.device,
    };
  }
}

function kept(): string {
  try {
    return localStorage.getItem(KEPT_AS) ?? '';
  } catch {
    return '';
  }
}

export const sender = new Sender();
