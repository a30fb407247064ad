import { describe, expect, it } from 'vitest';
import {
  bandOfCanvas,
  layoutOf,
  placeAfter,
  placeAt,
  rowsInSight,
  scrollTopFor,
} from '../../src/lib/gridLayout';

// Ten columns of 52 px and gaps of 4: rows of 56 px.
const layout = layoutOf(556, 1003);

describe('the layout of a grid', () => {
  it('fills the width with whole pixels', () => {
    expect(layout).toEqual({ columns: 10, cell: 52, pitch: 56, rows: 101, total: 1003 });
    expect(layoutOf(600, 1003)).toMatchObject({ columns: 10, cell: 56 });
    expect(layoutOf(100, 5)).toMatchObject({ columns: 4, cell: 22, rows: 2 });
  });

  it('knows which rows are in sight, also at the ends', () => {
    expect(rowsInSight(layout, 0, 560)).toEqual({ first: 0, last: 10 });
    expect(rowsInSight(layout, 5000, 560)).toEqual({ first: 89, last: 100 });
    expect(rowsInSight(layout, 99_999, 560)).toEqual({ first: 100, last: 100 });
    expect(rowsInSight(layoutOf(556, 0), 0, 560)).toEqual({ first: 0, last: -1 });
  });

  it('gives every band in sight a canvas, which keeps it until it is out of sight', () => {
    expect(bandOfCanvas(layout, 0, 560)).toEqual([0, 1, 2, 3]);
    expect(bandOfCanvas(layout, 503, 560)).toEqual([0, 1, 2, 3]);
    expect(bandOfCanvas(layout, 504, 560)).toEqual([4, 1, 2, 3]);
    expect(bandOfCanvas(layout, 3 * 448 + 60, 560)).toEqual([4, 5, 6, 3]);
    expect(bandOfCanvas(layout, 10 * 448 + 60, 560)).toEqual([12, null, 10, 11]);
    expect(bandOfCanvas(layoutOf(556, 0), 0, 560)).toEqual([null, null, null, null]);
  });

  it('finds the image under a point, and none in a gap or beyond the last', () => {
    expect(placeAt(layout, 60, 60)).toBe(11);
    expect(placeAt(layout, 53, 10)).toBeNull();
    expect(placeAt(layout, 10, 55)).toBeNull();
    expect(placeAt(layout, 600, 10)).toBeNull();
    expect(placeAt(layout, 150, 100 * 56)).toBe(1002);
    expect(placeAt(layout, 200, 100 * 56)).toBeNull();
  });

  it.each([
    ['ArrowRight', false, 9, 10],
    ['ArrowLeft', false, 0, 0],
    ['ArrowDown', false, 995, 1002],
    ['ArrowUp', false, 5, 5],
    ['PageDown', false, 12, 102],
    ['PageUp', false, 112, 22],
    ['Home', false, 57, 50],
    ['End', false, 57, 59],
    ['End', false, 1001, 1002],
    ['Home', true, 57, 0],
    ['End', true, 57, 1002],
    ['a', false, 57, null],
  ])('leads from %s (control: %s) at %i to %s', (key, control, from, to) => {
    expect(placeAfter(key, control, from, layout, 9)).toBe(to);
  });

  it('scrolls no further than a row needs', () => {
    expect(scrollTopFor(layout, 3, 0, 560)).toBe(0);
    expect(scrollTopFor(layout, 3, 500, 560)).toBe(168);
    expect(scrollTopFor(layout, 20, 0, 560)).toBe(20 * 56 + 52 - 560);
  });
});
