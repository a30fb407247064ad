import { describe, expect, it } from 'vitest';
import {
  afterKey,
  extentOf,
  fitted,
  fromPixels,
  panned,
  pinched,
  toPixels,
  viewFrom,
  viewText,
  zoomed,
} from '../../src/lib/mapView';

const SIZE = { width: 400, height: 300 };
const VIEW = { x: 1, y: 2, scale: 10 };

describe('the view of a map', () => {
  it('shows all points, with room at the edges', () => {
    const fit = fitted(extentOf(new Float32Array([0, 0, 10, 2])), SIZE);
    expect(fit).toMatchObject({ x: 5, y: 1 });
    for (const [x, y] of [
      [0, 0],
      [10, 2],
    ] as const) {
      const [px, py] = toPixels(fit, SIZE, x, y);
      expect(px).toBeGreaterThanOrEqual(24);
      expect(px).toBeLessThanOrEqual(376);
      expect(py).toBeGreaterThan(0);
      expect(py).toBeLessThan(300);
    }
  });
  it('is finite for one point, and for none', () => {
    expect(Number.isFinite(fitted(extentOf(new Float32Array([3, 3])), SIZE).scale)).toBe(true);
    expect(fitted(extentOf(new Float32Array()), SIZE)).toEqual({ x: 0, y: 0, scale: 1 });
  });
  it('shows the maps of before as well', () => {
    const before = extentOf(new Float32Array([-5, 0, 0, 1]));
    expect(extentOf(new Float32Array([0, 0, 10, 2]), before)).toEqual({
      left: -5,
      right: 10,
      low: 0,
      high: 2,
    });
  });
  it('leads to pixels and back, with y pointing up', () => {
    expect(toPixels(VIEW, SIZE, 1, 2)).toEqual([200, 150]);
    expect(toPixels(VIEW, SIZE, 1, 3)).toEqual([200, 140]);
    expect(fromPixels(VIEW, SIZE, ...toPixels(VIEW, SIZE, 5, -4))).toEqual([5, -4]);
  });
  it('keeps the place under the hand while zooming, and follows it while dragging', () => {
    const before = fromPixels(VIEW, SIZE, 30, 40);
    const after = fromPixels(zoomed(VIEW, SIZE, 30, 40, 2), SIZE, 30, 40);
    expect(after[0]).toBeCloseTo(before[0]);
    expect(after[1]).toBeCloseTo(before[1]);
    const [px, py] = toPixels(panned(VIEW, 15, -5), SIZE, 1, 2);
    expect([px, py]).toEqual([215, 145]);
  });
  it('keeps two places under two fingers', () => {
    const [still, from, to] = [
      [100, 80],
      [180, 120],
      [260, 160],
    ] as const;
    const after = pinched(VIEW, SIZE, still, from, to);
    expect(after.scale).toBeCloseTo(2 * VIEW.scale);
    for (const { before, now } of [
      { before: still, now: still },
      { before: from, now: to },
    ]) {
      const [px, py] = toPixels(after, SIZE, ...fromPixels(VIEW, SIZE, before[0], before[1]));
      expect(px).toBeCloseTo(now[0]);
      expect(py).toBeCloseTo(now[1]);
    }
    expect(Number.isFinite(pinched(VIEW, SIZE, still, still, still).scale)).toBe(true);
  });
  it('moves by keys, and by no other key', () => {
    expect(afterKey(VIEW, SIZE, 'ArrowRight')?.x).toBeGreaterThan(VIEW.x);
    expect(afterKey(VIEW, SIZE, 'ArrowUp')?.y).toBeGreaterThan(VIEW.y);
    expect(afterKey(VIEW, SIZE, '+')?.scale).toBeGreaterThan(VIEW.scale);
    expect(afterKey(VIEW, SIZE, 'q')).toBeNull();
  });
  it('stands in an address and is read back; what is none is refused', () => {
    expect(viewText({ x: 1.23456789, y: -2, scale: 30.00001 })).toBe('1.235,-2,30');
    const deep = { x: 1.23456789, y: 0, scale: 1e5 };
    const back = viewFrom(viewText(deep)) ?? VIEW;
    expect(Math.abs(back.x - deep.x) * deep.scale).toBeLessThan(0.1);
    expect(viewFrom('1.2346,-2,30')).toEqual({ x: 1.2346, y: -2, scale: 30 });
    for (const text of [null, '', '1,2', '1,2,0', '1,2,x', '1,2,3,4']) expect(viewFrom(text)).toBeNull();
  });
});
