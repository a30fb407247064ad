import { describe, expect, it } from 'vitest';
import { extent, linear, ticks } from '../../src/lib/scale';

describe('chart arithmetic', () => {
  it('maps a domain onto pixels, upside down if the range is', () => {
    expect(linear([0, 10], [100, 0])(2.5)).toBe(75);
  });

  it('puts an empty domain in the middle', () => {
    expect(linear([3, 3], [0, 10])(3)).toBe(5);
  });

  it('places at most five round ticks inside the range', () => {
    expect(ticks(0, 1)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(ticks(0, 623)).toEqual([0, 200, 400, 600]);
    for (const [low, high] of [
      [0.13, 0.97],
      [4.1, 6.3],
      [0, 1240],
      [-3, 3],
    ] as const) {
      const placed = ticks(low, high);
      expect(placed.length).toBeGreaterThanOrEqual(2);
      expect(placed.length).toBeLessThanOrEqual(5);
      for (const tick of placed) expect(tick >= low && tick <= high).toBe(true);
    }
  });

  it('leaves a loss that is no number out of the range', () => {
    expect(extent([2, null, NaN, 4, undefined], 0)).toEqual([2, 4]);
    expect(extent([null])).toEqual([0, 1]);
  });
});
