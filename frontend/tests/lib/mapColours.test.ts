import { describe, expect, it } from 'vitest';
import {
  bytesOf,
  countsOf,
  ofKind,
  parseRgb,
  rangeOf,
  valueText,
  type Palette,
} from '../../src/lib/mapColours';

const PALETTE: Palette = {
  classes: Array.from({ length: 10 }, (_, i) => [i, i, i] as const),
  none: [100, 100, 100],
  bad: [200, 0, 0],
  ground: [255, 255, 255],
};
const CLASS = { kind: 'class', name: 'class' } as const;
const MEASURE = { kind: 'measure', name: 'confidence' } as const;
const rgbOf = (bytes: Uint8Array, i: number): number[] => [...bytes.slice(4 * i, 4 * i + 3)];

describe('the colours of points', () => {
  it('are those of classes, again after ten, and grey without a label', () => {
    const bytes = bytesOf(Int32Array.of(0, 3, 13, -1), CLASS, PALETTE, new Set());
    expect([0, 1, 2, 3].map((i) => rgbOf(bytes, i))).toEqual([[0, 0, 0], [3, 3, 3], [3, 3, 3], [100, 100, 100]]); // prettier-ignore
  });
  it('rise with a measure from end to end, and are grey where it has no value', () => {
    const bytes = bytesOf(Float32Array.of(0.5, 1, NaN), MEASURE, PALETTE, new Set());
    expect([0, 1, 2].map((i) => rgbOf(bytes, i))).toEqual([[0, 32, 77], [255, 234, 70], [100, 100, 100]]); // prettier-ignore
  });
  it('are faint for what is not chosen, once something is', () => {
    const alpha = (chosen: number[]): number[] => {
      const bytes = bytesOf(Int32Array.of(0, 1), CLASS, PALETTE, new Set(chosen));
      return [bytes[3] ?? 0, bytes[7] ?? 0];
    };
    expect(alpha([])[0]).toBe(alpha([])[1]);
    expect(alpha([1])[0]).toBeLessThan(alpha([1])[1] ?? 0);
  });
  it('show what is wrong as bad', () => {
    expect(ofKind(1, 'error', PALETTE)).toEqual([200, 0, 0]);
    expect(ofKind(0, 'error', PALETTE)).toEqual([100, 100, 100]);
  });
  it('are read from every notation that tokens have', () => {
    expect(parseRgb('#332288')).toEqual([51, 34, 136]);
    expect(parseRgb('#fff')).toEqual([255, 255, 255]);
    expect(parseRgb('rgb(1, 2, 3)')).toEqual([1, 2, 3]);
  });
});

describe('the values of points', () => {
  it('have a range and counts', () => {
    expect(rangeOf(Float32Array.of(NaN, 2, 1))).toEqual([1, 2]);
    expect(rangeOf(Float32Array.of(NaN))).toBeNull();
    expect([...countsOf([1, 1, -1])]).toEqual([[1, 2], [-1, 1]]); // prettier-ignore
  });
  it('are told by name, or as a number', () => {
    expect(valueText(1, { kind: 'class', values: ['ant', 'bee'] })).toBe('bee');
    expect(valueText(-1, { kind: 'class', values: ['ant'] })).toBe('none');
    expect(valueText(0.12345, { kind: 'measure', values: [] })).toBe('0.123');
    expect(valueText(NaN, { kind: 'measure', values: [] })).toBe('none');
  });
});
