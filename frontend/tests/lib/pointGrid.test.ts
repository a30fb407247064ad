import { describe, expect, it } from 'vitest';
import { PointGrid } from '../../src/lib/pointGrid';

function random(n: number): Float32Array {
  let seed = 1;
  // The generator of Park and Miller: the same points at every run.
  return Float32Array.from({ length: 2 * n }, () => (seed = (seed * 48271) % 2147483647) / 2147483647);
}

describe('points by place', () => {
  const points = random(1000);
  const grid = new PointGrid(points);

  it('finds the nearest that brute force finds', () => {
    for (let q = 0; q < 50; q += 1) {
      const [x, y] = [(q * 0.137) % 1, (q * 0.311) % 1];
      const apart = Array.from(
        { length: 1000 },
        (_, i) => ((points[2 * i] ?? 0) - x) ** 2 + ((points[2 * i + 1] ?? 0) - y) ** 2,
      );
      const least = Math.min(...apart);
      expect(grid.nearest(x, y, 0.2)).toBe(apart.indexOf(least));
    }
  });
  it('finds none beyond its reach', () => {
    expect(grid.nearest(5, 5, 0.5)).toBe(-1);
    expect(new PointGrid(new Float32Array()).nearest(0, 0, 1)).toBe(-1);
  });
  it('finds those inside an outline, by hand', () => {
    const corners = new PointGrid(new Float32Array([0, 0, 1, 0, 1, 1, 0, 1, 0.5, 0.5, 3, 3]));
    expect(corners.inside([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]])).toEqual([4]); // prettier-ignore
    expect(corners.inside([[-1, -1], [2, -1], [2, 2], [-1, 2]])).toEqual([0, 1, 2, 3, 4]); // prettier-ignore
  });
  it('finds those in a triangle that brute force finds', () => {
    const inside = grid.inside([[0, 0], [1, 0], [0, 1]]); // prettier-ignore
    const expected = [...Array(1000).keys()].filter(
      (i) => (points[2 * i] ?? 0) + (points[2 * i + 1] ?? 0) < 1,
    );
    expect(inside).toEqual(expected);
  });
  it('finds nobody by a line', () => {
    expect(grid.inside([[0, 0], [1, 1]])).toEqual([]); // prettier-ignore
  });
  it('orders points so that neighbours follow each other', () => {
    expect([...grid.order].sort((a, b) => a - b)).toEqual([...Array(1000).keys()]);
    const step = (order: ArrayLike<number>): number => {
      const apart = (k: number): number => {
        const [i, j] = [order[k] ?? 0, order[k - 1] ?? 0];
        return Math.hypot(
          (points[2 * i] ?? 0) - (points[2 * j] ?? 0),
          (points[2 * i + 1] ?? 0) - (points[2 * j + 1] ?? 0),
        );
      };
      return Array.from({ length: 999 }, (_, k) => apart(k + 1)).reduce((sum, each) => sum + each, 0);
    };
    expect(step(grid.order)).toBeLessThan(0.2 * step([...Array(1000).keys()]));
  });
  it('bears points that are all in one place', () => {
    const same = new PointGrid(new Float32Array(20).fill(2));
    expect(same.nearest(2, 2, 0.1)).toBeGreaterThanOrEqual(0);
    expect(same.inside([[1, 1], [3, 1], [3, 3], [1, 3]])).toHaveLength(10); // prettier-ignore
  });
});
