import { describe, expect, it } from 'vitest';
import { batchSizes, falseNegatives } from '../../src/lib/falseNegatives';

const even = (classes: number, n: number): number[] => Array.from({ length: classes }, () => n);

describe('false negatives', () => {
  // The numbers are those of simclr.datasets.false_negatives.
  it.each([
    [even(10, 5000), 256, 0.09998199963999281, 50.99081981639633, 0.9999999999979923],
    [even(10, 5000), 4096, 0.09998199963999281, 818.8525770515412, 1],
    [[388, 3494], 64, 0.8200360784869709, 103.32454588935833, 0.9998737634322862],
    [even(100, 10), 8, 0.00900900900900901, 0.12612612612612614, 0.06156415615546751],
    [[3, 1, 0], 4, 0.5, 3, 0.75],
    [[2], 2, 1, 2, 1],
    [even(5000, 1), 128, 0, 0, 0],
  ])('are those of the report', (counts, batch, share, perAnchor, any) => {
    const found = falseNegatives(counts, batch);
    expect(found.share).toBeCloseTo(share, 12);
    expect(found.perAnchor).toBeCloseTo(perAnchor, 9);
    expect(found.any).toBeCloseTo(any, 9);
  });

  it('are told for powers of two that fit', () => {
    expect(batchSizes(70)).toEqual([2, 4, 8, 16, 32, 64]);
    expect(batchSizes(1)).toEqual([]);
    expect(batchSizes(50_000).at(-1)).toBe(4096);
  });
});
