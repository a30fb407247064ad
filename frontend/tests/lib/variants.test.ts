import { describe, expect, it } from 'vitest';
import { AT_FIRST, variantOf } from '../../src/lib/variants';

describe('what is asked of the lab', () => {
  it('is shares of one for new splits, without what floats add', () => {
    const wanted = { ...AT_FIRST, shares: { train: 55, val: 14, test: 31 }, seed: 3 };
    expect(variantOf(wanted)).toEqual({ make: 'splits', train: 0.55, val: 0.14, test: 0.31, seed: 3 });
  });

  it('is one measure of labels, never both', () => {
    const labels = { ...AT_FIRST, make: 'labels' as const, percent: 7, shots: 4 };
    expect(variantOf(labels)).toEqual({ make: 'labels', fraction: 0.07, seed: 0 });
    expect(variantOf({ ...labels, measure: 'shots' })).toEqual({ make: 'labels', shots: 4, seed: 0 });
  });

  it('is nothing while a number that counts is missing, whatever the others are', () => {
    expect(variantOf({ ...AT_FIRST, seed: NaN })).toBeNull();
    expect(variantOf({ ...AT_FIRST, shares: { train: 70, val: NaN, test: 20 } })).toBeNull();
    expect(variantOf({ ...AT_FIRST, shots: NaN, percent: NaN })).not.toBeNull();
    expect(variantOf({ ...AT_FIRST, make: 'labels', shots: NaN })).not.toBeNull();
    expect(variantOf({ ...AT_FIRST, make: 'labels', measure: 'shots', shots: NaN })).toBeNull();
  });
});
