import { describe, expect, it } from 'vitest';
import {
  apart,
  axisOf,
  bandPath,
  linePath,
  marksPath,
  nearest,
  thinned,
  whiskersPath,
  wrapped,
  type Series,
} from '../../src/lib/plot';
import { lookOf, markPath } from '../../src/lib/looks';
import { logarithmic, logTicks, spreadApart } from '../../src/lib/scale';

const same = (value: number): number => value;
const point = (x: number, y: number | null) => ({ x, y, label: '' });

describe('axes', () => {
  it('place powers of ten evenly where they are logarithmic', () => {
    const place = logarithmic([1, 100], [0, 10]);
    expect([1, 10, 100].map(place)).toEqual([0, 5, 10]);
  });

  it.each([
    [10, 4000, [10, 100, 1000]],
    [1, 9, [1, 2, 5]],
    [40, 45, [40, 41.25, 42.5, 43.75, 45].filter((tick) => tick >= 40)],
    [1e-3, 1e6, [1e-3, 0.1, 10, 1000, 1e5]],
  ])('have at most five ticks from %d to %d', (low, high, expected) => {
    const ticks = logTicks(low, high);
    expect(ticks.length).toBeLessThanOrEqual(5);
    expect(ticks.length).toBeGreaterThanOrEqual(2);
    expect(ticks.every((tick) => tick >= low * 0.999 && tick <= high * 1.001)).toBe(true);
    if (low !== 40) expect(ticks.slice(0, 2)).toEqual(expected.slice(0, 2));
  });

  it('leave out a label that would run into the next one', () => {
    const ticks = ['head only', '1', '2', '3', 'everything'].map((label, at) => ({ at, label }));
    const place = (at: number): number => 40 * at;
    expect(apart(ticks, place, 6, 170).map(({ label }) => label)).toEqual([
      'head only',
      '1',
      '2',
      'everything',
    ]);
    expect(apart(ticks, (at) => 200 * at, 6, 900)).toEqual(ticks);
  });

  it('count epochs in whole numbers, at most five of them', () => {
    const axis = axisOf({ label: '', written: String, whole: true }, [1, 10], [0, 100]);
    expect(axis.ticks.map(({ at }) => at)).toEqual([2, 4, 6, 8, 10]);
  });
});

describe('paths', () => {
  it('break where a loss is no number', () => {
    expect(linePath([point(0, 1), point(1, null), point(2, 3), point(3, 4)], same, same)).toBe(
      'M0.00 1.00M2.00 3.00L3.00 4.00',
    );
  });

  it('close a band along its upper and back along its lower ends', () => {
    const points = [0, 1].map((x) => ({ ...point(x, 2), low: 1, high: 3 }));
    expect(bandPath(points, same, same)).toBe('M0.00 3.00L1.00 3.00L1.00 1.00L0.00 1.00Z');
    expect(bandPath(points.slice(1), same, same)).toBe('');
  });

  it('draw all marks of a series at once, but for what is no number', () => {
    const look = { tone: '', dash: '', shape: 'square' } as const;
    const points = [point(1, 2), point(3, null), { ...point(5, 6), r: 10 }];
    const path = marksPath({ points, look }, same, same);
    expect(path).toBe(markPath('square', 1, 2, 3.5) + markPath('square', 5, 6, 10));
    const wide = [{ ...point(1, 2), low: 0, high: 4 }, point(3, 4)];
    expect(whiskersPath(wide, same, same)).toBe('M1.00 0.00V4.00');
  });

  it('keep every spike when thinned', () => {
    const points = Array.from({ length: 5000 }, (_, x) => point(x, x === 1234 ? 99 : x === 4321 ? -99 : 1));
    const kept = thinned(points, 400);
    expect(kept.length).toBeLessThanOrEqual(402);
    expect(kept.map(({ y }) => y)).toEqual(expect.arrayContaining([99, -99]));
    expect(kept.map(({ x }) => x)).toEqual(kept.map(({ x }) => x).toSorted((a, b) => a - b));
  });
});

it('finds the mark nearest to a pointer, and none where all are far', () => {
  const series = [
    { points: [point(0, 0), point(10, 10)] },
    { points: [point(11, 10)] },
  ] as unknown as Series[];
  expect(nearest(series, same, same, [12, 10], 5)).toEqual({ series: 1, point: 0 });
  expect(nearest(series, same, same, [50, 50], 5)).toBeNull();
});

it('moves labels apart without leaving the chart or their order', () => {
  const moved = spreadApart([98, 97, 10, 99], 14, [0, 100]);
  const byPlace = [...moved].sort((a, b) => a - b);
  expect(byPlace.slice(1).every((place, i) => place - (byPlace[i] ?? 0) >= 14)).toBe(true);
  expect(Math.max(...moved)).toBeLessThanOrEqual(100);
  expect([moved[1], moved[0], moved[3]]).toEqual(byPlace.slice(1));
});

it('tells the first thirty series apart by hue and pattern together', () => {
  const looks = Array.from({ length: 30 }, (_, i) => lookOf(i));
  expect(new Set(looks.map(({ tone, dash }) => tone + dash)).size).toBe(30);
  expect(new Set(looks.slice(0, 6).map(({ shape }) => markPath(shape, 0, 0, 4))).size).toBe(6);
  // Each is filled by its winding: a ring's hole has to run the other way round.
  expect([...markPath('ring', 0, 0, 4).matchAll(/0 1 (\d)/g)].map(([, sweep]) => sweep)).toEqual([
    '0',
    '0',
    '1',
    '1',
  ]);
});

it('breaks a name that is too long between words, and cuts only what two lines do not hold', () => {
  expect(wrapped('Beetles, k-NN', 20)).toEqual(['Beetles, k-NN']);
  expect(wrapped('Beetles, Fine-tuning, last stage', 20)).toEqual(['Beetles,', 'Fine-tuning, last s…']);
  expect(wrapped('Beetles, last 2 stages', 15)).toEqual(['Beetles, last 2', 'stages']);
  expect(wrapped('Coleoptera', 6)).toEqual(['Coleop', 'tera']);
});
