import { describe, expect, it } from 'vitest';
import {
  ago,
  bytes,
  counted,
  decimalsFor,
  duration,
  intervalText,
  percent,
  percentOf,
  percentWithin,
  rate,
} from '../../src/lib/numbers';

describe('numbers', () => {
  it('writes no more digits than the uncertainty supports', () => {
    expect([2.3, 0.8, 0.04, 0.001].map((half) => decimalsFor(half))).toEqual([0, 1, 2, 2]);
  });

  it('writes an accuracy and its interval with the same digits', () => {
    const wide = { value: 0.91234, low: 0.887, high: 0.931 };
    expect(`${percentWithin(wide)} (${intervalText(wide)})`).toBe('91 % (89–93)');
    const narrow = { value: 0.4567, low: 0.4523, high: 0.4611 };
    expect(`${percentWithin(narrow)} (${intervalText(narrow)})`).toBe('45.7 % (45.2–46.1)');
  });

  it('derives the digits of a share from the number of cases', () => {
    expect(percentOf(0.4137, 200)).toBe('41 %');
    expect(percentOf(0.4137, 50_000)).toBe('41.4 %');
  });

  it('writes chance and progress plainly', () => {
    expect(percent(0.1)).toBe('10 %');
    expect(percent(1 / 3, 1)).toBe('33.3 %');
  });

  it('writes durations in the units a person would use', () => {
    expect([0.2, 8.4, 89, 200, 4800, 7200].map(duration)).toEqual([
      '< 1 s',
      '8 s',
      '89 s',
      '3 min',
      '1 h 20 min',
      '2 h',
    ]);
  });

  it('writes counts, rates, sizes and ages with their units', () => {
    expect(counted(1, 'image')).toBe('1 image');
    expect(counted(8000, 'image')).toBe('8,000 images');
    expect(counted(2, 'class', 'classes')).toBe('2 classes');
    expect(rate(1118.4)).toBe('1,118 images/s');
    expect(bytes(3_400_000)).toBe('3.2 MiB');
    expect(ago(1000, 1010)).toBe('just now');
    expect(ago(1000, 1000 + 7200)).toBe('2 h ago');
  });
});
