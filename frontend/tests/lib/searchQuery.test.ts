import { expect, test } from 'vitest';
import { withQuery } from '../../src/lib/routes';
import { asking, nameOfQuery, queryOf, viewAddress, type SearchQuery } from '../../src/lib/searchQuery';

const read = (text: string): ReturnType<typeof queryOf> => queryOf(new URLSearchParams(text));

test('an address asks for images, a photo, a part or a view', () => {
  expect(read('index=3&also=4,5&unlike=6')).toEqual({ kind: 'images', index: 3, also: [4, 5], unlike: [6] });
  expect(read('photo=1')).toEqual({ kind: 'photo', index: null, box: null, view: null });
  expect(read('index=3&crop=1,2,8')).toMatchObject({
    kind: 'part',
    index: 3,
    box: { left: 1, top: 2, side: 8 },
  });
  expect(read('photo=1&crop=1,2,8')).toMatchObject({ kind: 'part', index: null });
  expect(read('k=4')).toBeNull();
});

test('a view that is searched with can be drawn again from its address', () => {
  const view = { policy: { crop_scale_min: '0.4' }, seed: 7, number: 1 };
  const search = withQuery('?dataset=d', viewAddress(3, view));
  expect(search).toBe('?dataset=d&index=3&seed=7&view=1&augment.crop_scale_min=0.4');
  expect(read(search)).toEqual({ kind: 'view', index: 3, box: null, view });
  expect(read(withQuery('', viewAddress(null, view)))).toMatchObject({ kind: 'view', index: null });
});

test('a new query leaves nothing of the one before, and all else as it is', () => {
  const before = '?k=4&encoders=a,b&index=3&seed=7&view=1&augment.flip_p=0&crop=1,1,4';
  expect(withQuery(before, asking(new URLSearchParams(before), { index: 9 }))).toBe(
    '?k=4&encoders=a,b&index=9',
  );
});

test('a query has a name', () => {
  const named = (text: string): string => nameOfQuery(read(text) as SearchQuery);
  expect(named('index=3')).toBe('image 3');
  expect(named('photo=1')).toBe('your photo');
  expect(named('photo=1&crop=1,2,8')).toBe('a part of your photo');
  expect(named('index=3&view=1')).toBe('view 2 of image 3');
});
