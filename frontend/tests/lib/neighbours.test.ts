import { expect, test } from 'vitest';
import {
  agreement,
  decimalsApart,
  jaccard,
  linked,
  rankShifts,
  sharedCount,
  shiftMark,
  shiftText,
} from '../../src/lib/neighbours';

test('the Jaccard index is the shared part of all members, worked out by hand', () => {
  // {1,2,3,4} and {3,4,5,6}: two of six.
  expect(jaccard([1, 2, 3, 4], [3, 4, 5, 6])).toBeCloseTo(1 / 3, 12);
  expect(jaccard([1, 2, 3], [3, 2, 1])).toBe(1);
  expect(jaccard([1, 2], [3, 4])).toBe(0);
  // Another k on the other side: {1,2} of {1,2,3,4,5}.
  expect(jaccard([1, 2], [1, 2, 3, 4, 5])).toBeCloseTo(2 / 5, 12);
  expect(jaccard([], [])).toBe(1);
  expect(jaccard([], [1])).toBe(0);
  expect(sharedCount([1, 2, 3, 4], [3, 4, 5, 6])).toBe(2);
});

test('a shift is how many ranks nearer a shared image stands', () => {
  // 7 was fourth and is first: three nearer. 1 was first and is third: two farther. 9 was not there.
  expect(rankShifts([1, 2, 3, 7], [7, 2, 1, 9])).toEqual(
    new Map([
      [7, 3],
      [2, 0],
      [1, -2],
    ]),
  );
  expect([3, -2, 0].map(shiftMark)).toEqual(['▲3', '▼2', '=']);
  expect(shiftText(3, 'A')).toBe('3 ranks nearer than in A');
  expect(shiftText(-1, 'A')).toBe('1 rank farther than in A');
  expect(shiftText(0, 'A')).toBe('at the same rank as in A');
});

test('every hit knows the other columns that found it, and its shift from the first', () => {
  const [first, second, third] = linked([[1, 2, 3], null, [3, 4, 1]]);
  expect(first?.get(1)).toEqual({ columns: [2], shift: null });
  expect(first?.get(2)).toEqual({ columns: [], shift: null });
  expect(second?.size).toBe(0);
  expect(third?.get(3)).toEqual({ columns: [0], shift: 2 });
  expect(third?.get(1)).toEqual({ columns: [0], shift: -2 });
  expect(third?.get(4)).toEqual({ columns: [], shift: null });
});

test('hits agree with a class where they have labels, and the image a query is made of does not count', () => {
  const hits = [
    { index: 5, label: 1 },
    { index: 6, label: null },
    { index: 7, label: 2 },
    { index: 8, label: 1 },
  ];
  expect(agreement(hits, 1)).toEqual({ agreeing: 2, labelled: 3 });
  expect(agreement(hits, 1, 5)).toEqual({ agreeing: 1, labelled: 2 });
  expect(agreement(hits, null)).toBeNull();
  expect(agreement([{ index: 6, label: null }], 1)).toBeNull();
});

test('scores have as many decimals as tell most of them apart', () => {
  expect(decimalsApart([0.91, 0.85, 0.6])).toBe(2);
  expect(decimalsApart([0.9991, 0.9985, 0.9972, 0.9961])).toBe(3);
  expect(decimalsApart([0.99991, 0.99985, 0.99972])).toBe(4);
  expect(decimalsApart([])).toBe(4);
});
