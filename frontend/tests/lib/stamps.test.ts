import { describe, expect, it } from 'vitest';
import { Sheet, stampsOf } from '../../src/lib/stamps';

const WHITE = 0xffffffff;
const RED = 0xff0000ff;
const FAINT_BLUE = 0x80ff0000;
const SIZE = 16;

type Point = readonly [x: number, y: number, ink: number];

/** A white sheet with points of `size` pixels. */
function sheetOf(size: number, ...points: Point[]): Sheet {
  const sheet = new Sheet(SIZE, SIZE);
  sheet.pixels.fill(WHITE);
  sheet.lay(stampsOf(size, SIZE), {
    places: Float32Array.from(points.flatMap(([x, y]) => [x, y])),
    inks: Int32Array.from(points, ([, , ink]) => ink),
    left: 0,
    top: SIZE,
    scale: 1,
  });
  return sheet;
}

/** Pixels that are not white, as "x,y", y from below as in the map. */
function touched({ pixels, width, height }: Sheet): string[] {
  return [...pixels.keys()]
    .filter((at) => pixels[at] !== -1)
    .map((at) => `${at % width},${height - 1 - Math.floor(at / width)}`);
}

function rgba({ pixels }: Sheet, x: number, y: number): number[] {
  return [0, 8, 16, 24].map((shift) => ((pixels[(SIZE - 1 - y) * SIZE + x] ?? 0) >>> shift) & 255);
}

describe('points laid over pixels', () => {
  it('covers those pixels whose middles a small point holds', () => {
    const sheet = sheetOf(2, [5, 6, RED]);
    expect(touched(sheet)).toEqual(['4,6', '5,6', '4,5', '5,5']);
    expect(rgba(sheet, 5, 6)).toEqual([255, 0, 0, 255]);
  });
  it('is round with an edge one pixel wide where it is larger', () => {
    const sheet = sheetOf(6, [7.6, 7.6, RED]);
    expect(rgba(sheet, 7, 7)).toEqual([255, 0, 0, 255]);
    expect(rgba(sheet, 4, 4)).toEqual([255, 255, 255, 255]);
    const area = [...sheet.pixels].reduce((sum, pixel) => sum + 1 - ((pixel >>> 8) & 255) / 255, 0);
    // A disc's area, π · 3²; the edge is straight inside a pixel, which makes some hundredths of difference.
    expect(area).toBeCloseTo(Math.PI * 9, 0);
  });
  it('mixes by alpha with what is there, one point after another', () => {
    const [red = -1, green, blue = -1, alpha] = rgba(sheetOf(2, [5, 6, RED], [5, 6, FAINT_BLUE]), 5, 6);
    expect([green, alpha]).toEqual([0, 255]);
    expect(Math.abs(red - 127)).toBeLessThanOrEqual(1);
    expect(Math.abs(blue - 128)).toBeLessThanOrEqual(1);
    // A half of a half of the white is left.
    const twice = rgba(sheetOf(2, [5, 6, FAINT_BLUE], [5, 6, FAINT_BLUE]), 5, 6);
    expect(Math.abs((twice[0] ?? -1) - 64)).toBeLessThanOrEqual(1);
    expect(twice.slice(2)).toEqual([255, 255]);
    expect(rgba(sheetOf(2, [5, 6, FAINT_BLUE], [5, 6, RED]), 5, 6)).toEqual([255, 0, 0, 255]);
  });
  it('keeps a colour that is laid over itself', () => {
    const clay = 0xd7123456;
    const sheet = sheetOf(2, ...Array.from({ length: 60 }, (): Point => [5, 6, clay]));
    for (const [at, channel] of [0x56, 0x34, 0x12].entries())
      expect(Math.abs((rgba(sheet, 5, 6)[at] ?? -1) - channel)).toBeLessThanOrEqual(1);
  });
  it('leaves out what may cross an edge, and lays what does not', () => {
    const sheet = sheetOf(
      2,
      [-9, 2, RED],
      [1, 8, RED],
      [8, 15, RED],
      [8, 40, RED],
      [NaN, 8, RED],
      [8, 8, RED],
    );
    expect(touched(sheet)).toEqual(['7,8', '8,8', '7,7', '8,7']);
  });
});
