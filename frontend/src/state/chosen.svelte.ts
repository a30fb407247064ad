/** The image set that a page is about: the one in the address, or the newest, which is then noted there. */
import type { DatasetOut } from '../api/types';
import { location } from './location.svelte';
import { datasets } from './shelf.svelte';

export function chosenDataset(): DatasetOut | null {
  const asked = location.query.get('dataset');
  return asked === null ? (datasets.items?.[0] ?? null) : datasets.find(asked);
}

/** Notes the set in the address, so that a copied link shows the same page. Call it in an effect. */
export function noteDataset(): void {
  const set = chosenDataset();
  if (set && location.query.get('dataset') === null) location.note({ dataset: set.id });
}
