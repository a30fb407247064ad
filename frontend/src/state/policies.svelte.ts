/** Policies under names, kept in this browser: an address shares them, a file exports them. */
import type { Values } from '../lib/configForm';

const KEPT_AS = 'policies';
export const MOST = 50;

export interface Saved {
  name: string;
  /** Only what differs from where a policy starts, as the address says it. */
  values: Values;
}

class Policies {
  items = $state.raw<readonly Saved[]>(kept());
  /** Why the last change will be forgotten with the page; empty where it was stored. */
  problem = $state('');

  /** Keeps `values` under `name`; the same name again replaces it, the oldest goes where there are too many. */
  save(name: string, values: Values): void {
    const others = this.items.filter((item) => item.name !== name);
    this.#store([...others, { name, values }].slice(-MOST));
  }

  remove(name: string): void {
    this.#store(this.items.filter((item) => item.name !== name));
  }

  #store(items: readonly Saved[]): void {
    this.items = items;
    try {
      localStorage.setItem(KEPT_AS, JSON.stringify(items));
      this.problem = '';
    } catch {
      this.problem = 'This browser keeps nothing: saved policies last until the page is left.';
    }
  }
}

/** What is stored, whoever wrote it: anything of another shape is left out. */
function kept(): Saved[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEPT_AS) ?? '[]');
    return Array.isArray(found) ? found.filter(isSaved).slice(-MOST) : [];
  } catch {
    return [];
  }
}

function isSaved(item: unknown): item is Saved {
  if (typeof item !== 'object' || item === null) return false;
  const { name, values } = item as { name?: unknown; values?: unknown };
  return (
    typeof name === 'string' &&
    typeof values === 'object' &&
    values !== null &&
    Object.values(values).every((value) => typeof value === 'string')
  );
}

export const policies = new Policies();
