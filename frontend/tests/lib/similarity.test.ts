import { expect, test } from 'vitest';
import { greatest, gridText, placesOf, strongestText } from '../../src/lib/similarity';

const QUERY = [
  [0.1, 0.4],
  [-0.1, 0.1],
];
const HIT = [[0.1, 0.2]];

test('both maps have one scale, and what takes similarity away has no colour', () => {
  const top = greatest(QUERY, HIT);
  expect(top).toBe(0.4);
  expect(placesOf(QUERY, top).map(({ share }) => share)).toEqual([0.25, 1, 0, 0.25]);
  expect(placesOf(HIT, top)[1]).toEqual({ row: 0, column: 1, value: 0.2, share: 0.5 });
  expect(placesOf([[-1]], greatest([[-1]]))[0]?.share).toBe(0);
});

test('the strongest place and the fineness of the grid are said', () => {
  expect(strongestText(QUERY, 0.5)).toBe('Strongest at row 1, column 2 of 2 × 2: it adds 0.40 of 0.50.');
  expect(gridText(4, 4, 32)).toContain(
    '4 × 4 places; each stands for about 8 × 8 px of the image. That is coarse',
  );
  expect(gridText(7, 7, 224)).toBe(
    'The last feature maps have 7 × 7 places; each stands for about 32 × 32 px of the image.',
  );
});
