import { expect, test } from 'vitest';
import { requestOf, settingsOf } from '../../src/lib/searchSettings';

test('settings are read from an address, and what is malformed is as usual', () => {
  const usual = { k: 12, split: null, label: null, metric: 'cosine', engine: 'auto', isDistinct: false };
  expect(settingsOf(new URLSearchParams('k=x&split=all&metric=l1&engine=annoy'))).toEqual(usual);
  expect(settingsOf(new URLSearchParams('k=0')).k).toBe(1);
  expect(settingsOf(new URLSearchParams('k=900')).k).toBe(200);
  expect(
    settingsOf(new URLSearchParams('split=val&class=3&metric=euclidean&engine=hnsw&distinct=1')),
  ).toEqual({
    k: 12,
    split: 'val',
    label: 3,
    metric: 'euclidean',
    engine: 'hnsw',
    isDistinct: true,
  });
});

test('a column is asked by them', () => {
  const settings = settingsOf(new URLSearchParams('k=5&distinct=1'));
  expect(requestOf(settings, { encoder: 'a', features: 'z' }, 'set')).toEqual({
    encoder_id: 'a',
    dataset_id: 'set',
    features: 'z',
    k: 5,
    or_fewer: true,
    split: null,
    label: null,
    metric: 'cosine',
    engine: 'auto',
    exclude_duplicates: true,
  });
});
