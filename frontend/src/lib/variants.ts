/** What somebody wants to be other in a variant of a set, as a form holds it, and as the lab takes it. */
import type { Split, Variant } from '../api/types';
import { SPLITS } from './sets';

export interface Wanted {
  make: Variant['make'];
  /** Of every class's labelled images, in per cent. */
  shares: Record<Split, number>;
  measure: 'fraction' | 'shots';
  /** Of every class's training labels, in per cent. */
  percent: number;
  /** Training labels of every class. */
  shots: number;
  seed: number;
}

export const AT_FIRST: Wanted = {
  make: 'splits',
  shares: { train: 70, val: 10, test: 20 },
  measure: 'fraction',
  percent: 10,
  shots: 10,
  seed: 0,
};

/** What the lab is asked for; null while a number is missing. */
export function variantOf({ make, shares, measure, percent, shots, seed }: Wanted): Variant | null {
  const share = (percentage: number): number => Number((percentage / 100).toFixed(6));
  const numbers =
    make === 'splits' ? SPLITS.map((split) => shares[split]) : [measure === 'fraction' ? percent : shots];
  if (![...numbers, seed].every(Number.isFinite)) return null;
  if (make === 'splits') {
    return { make, train: share(shares.train), val: share(shares.val), test: share(shares.test), seed };
  }
  return { make, seed, ...(measure === 'fraction' ? { fraction: share(percent) } : { shots }) };
}
