import { describe, expect, it } from 'vitest';
import type { MapConfig, MapOut } from '../../src/api/maps';
import type { EncoderOut, JobOut } from '../../src/api/types';
import { courseOf, frameOf, isSameMap, jobOf, knownMap, mapAddress } from '../../src/lib/mapChoices';
import { qualityText, qualityWhy } from '../../src/lib/mapWords';

const UMAP: MapConfig = {
  method: 'umap', features: 'h', neighbours: 15, min_dist: 0.1, epochs: null, pull: 0.05, seed: 0,
}; // prettier-ignore
const map = (config: MapConfig, ...encoder_ids: string[]): MapOut => ({ config, encoder_ids }) as MapOut;
const state = (id: string, epoch: number): EncoderOut => ({ id, epoch }) as EncoderOut;

describe('the map that is meant', () => {
  it('is of these encoders in this order, by these choices', () => {
    expect(isSameMap(map(UMAP, 'a', 'b'), ['a', 'b'], UMAP)).toBe(true);
    expect(isSameMap(map(UMAP, 'a', 'b'), ['b', 'a'], UMAP)).toBe(false);
    expect(isSameMap(map(UMAP, 'a'), ['a'], { ...UMAP, seed: 1 })).toBe(false);
    expect(isSameMap(map(UMAP, 'a'), ['a'], { ...UMAP, features: 'z' })).toBe(false);
  });
  it('does not depend on what plays no part', () => {
    expect(isSameMap(map(UMAP, 'a'), ['a'], { ...UMAP, pull: 0.5 })).toBe(true);
    expect(isSameMap(map(UMAP, 'a', 'b'), ['a', 'b'], { ...UMAP, pull: 0.5 })).toBe(false);
    const pca: MapConfig = { ...UMAP, method: 'pca' };
    expect(isSameMap(map(pca, 'a'), ['a'], { ...pca, seed: 7 })).toBe(true);
  });
  it('is found among maps and jobs, and by a job its address', () => {
    const wanted = map(UMAP, 'a');
    expect(knownMap([map({ ...UMAP, seed: 2 }, 'a'), wanted], ['a'], UMAP)).toBe(wanted);
    const config = { ...UMAP, encoder_ids: ['a', 'b'] };
    const job = { kind: 'map', config, dataset_id: 'd' } as unknown as JobOut;
    expect(jobOf([{ kind: 'embed', config: {} } as JobOut, job], ['a', 'b'], UMAP)).toBe(job);
    expect(mapAddress(job)).toContain('/map?dataset=d&encoder=b&follow=1&method=umap');
  });
});

describe('the course of a run', () => {
  it('is its embedded states, or the encoder alone', () => {
    const [first, last] = [state('a', 0), state('b', 8)];
    expect(courseOf(last, [first, last])).toEqual([first, last]);
    expect(courseOf(last, [last])).toEqual([last]);
  });
  it('stands at the epoch asked for, else at the end', () => {
    const course = [state('a', 0), state('b', 4), state('c', 8)];
    expect(frameOf(course, 4)).toBe(1);
    expect(frameOf(course, 5)).toBe(2);
    expect(frameOf(course, null)).toBe(2);
  });
});

describe('how much a map lies', () => {
  const figures = {
    k: 10,
    sampled: 1000,
    trustworthiness: 0.9712,
    overlap: 0.423,
    by_chance: 0.001,
    explained: null,
  };
  it('is told with what stands behind it', () => {
    expect(qualityText(figures)).toBe('trustworthiness 0.971 · 42 % of neighbours kept');
    const why = qualityWhy(figures, 50_000);
    expect(why).toContain("Of an image's 10 nearest in the space, 42 %");
    expect(why).toContain('0.1 % in a random one');
    expect(why).toMatch(/a sample of 1.000 of 50.000/);
  });
  it('is not told of sets that are too small', () => {
    const unknown = {
      ...figures,
      k: null,
      sampled: null,
      trustworthiness: null,
      overlap: null,
      by_chance: null,
    };
    expect(qualityText(unknown)).toBeNull();
    expect(qualityWhy({ ...unknown, explained: [0.5, 0.25] }, 9)).toContain('75 %');
  });
});
