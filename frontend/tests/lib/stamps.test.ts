import { describe, expect, it } from 'vitest';
import { Sheet, stampsOf } from '../../src/lib/stamps';

const RED = 0xff0000ff;
const FAINT_BLUE = 0x80ff0000;

/** Pixels that are not empty, as "x,y". */
function touched({ pixels, width }: Sheet): string[] {
  return [...pixels.keys()]
    .filter((at) => pixels[at] !== 0)
    .map((at) => `${at % width},${Math.floor(at / width)}`);
}

function rgba(pixel: number | undefined): number[] {
  return [0, 8, 16, 24].map((shift) => ((pixel ?? 0) >>> shift) & 255);
}

describe('points laid over pixels', () => {
  it('covers those pixels whose middles a small point holds', () => {
    const sheet = new Sheet(6, 4);
    sheet.lay(stampsOf(2), 3, 2, RED);
    expect(touched(sheet)).toEqual(['2,1', '3,1', '2,2', '3,2']);
    expect(rgba(sheet.pixels[8])).toEqual([255, 0, 0, 255]);
  });
  it('is round with an edge one pixel wide where it is larger', () => {
    const sheet = new Sheet(9, 9);
    sheet.lay(stampsOf(6), 4.6, 4.6, RED);
    expect(rgba(sheet.pixels[4 * 9 + 4])[3]).toBe(255);
    expect(rgba(sheet.pixels[0])[3]).toBe(0);
    const area = [...sheet.pixels].reduce((sum, pixel) => sum + (pixel >>> 24) / 255, 0);
    // A disc's area, π · 3²; the edge is straight inside a pixel, which makes some hundredths of difference.
    expect(area).toBeCloseTo(Math.PI * 9, 0);
  });
  it('mixes by alpha with what is there', () => {
    const sheet = new Sheet(2, 2);
    sheet.lay(stampsOf(2), 1, 1, RED);
    sheet.lay(stampsOf(2), 1, 1, FAINT_BLUE);
    const [red, green, blue, alpha] = rgba(sheet.pixels[0]);
    expect([green, alpha]).toEqual([0, 255]);
    expect(red).toBeGreaterThanOrEqual(126);
    expect(red).toBeLessThanOrEqual(128);
    expect(blue).toBeGreaterThanOrEqual(127);
    expect(blue).toBeLessThanOrEqual(129);
    // Half of half is left through: 1 - 0.5² of 255.
    const faint = new Sheet(2, 2);
    for (let i = 0; i < 2; i += 1) faint.lay(stampsOf(2), 1, 1, FAINT_BLUE);
    expect(rgba(faint.pixels[0])).toEqual([0, 0, 255, 192]);
  });
  it('leaves out what lies outside', () => {
    const sheet = new Sheet(4, 4);
    for (const [x, y] of [
      [0, 0],
      [-9, 2],
      [2, 40],
    ] as const)
      sheet.lay(stampsOf(2), x, y, RED);
    expect(touched(sheet)).toEqual(['0,0']);
  });
});
