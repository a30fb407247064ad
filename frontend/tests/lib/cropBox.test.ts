import { expect, test } from 'vitest';
import { boxOf, boxText, dragged, middle, pressed, within } from '../../src/lib/cropBox';

const SIZE = { width: 64, height: 32 };

test('a box is read from an address as it was written, and nothing else is one', () => {
  expect(boxOf('4,8,16')).toEqual({ left: 4, top: 8, side: 16 });
  expect(boxOf(boxText({ left: 1, top: 2, side: 3 }))).toEqual({ left: 1, top: 2, side: 3 });
  for (const wrong of [null, '', '4,8', '4,8,16,3', '-1,0,4', 'a,b,c']) expect(boxOf(wrong)).toBeNull();
});

test('a box stays in the picture', () => {
  expect(within({ left: 60, top: 30, side: 16 }, SIZE)).toEqual({ left: 48, top: 16, side: 16 });
  expect(within({ left: -5, top: -5, side: 500 }, SIZE)).toEqual({ left: 0, top: 0, side: 32 });
  expect(within({ left: 3, top: 3, side: 0 }, SIZE).side).toBe(2);
  expect(middle(SIZE)).toEqual({ left: 24, top: 8, side: 16 });
});

test('a drag draws a square in any direction, as far as the picture goes', () => {
  expect(dragged([10, 10], [18, 14], SIZE)).toEqual({ left: 10, top: 10, side: 8 });
  expect(dragged([20, 20], [10, 15], SIZE)).toEqual({ left: 10, top: 10, side: 10 });
  expect(dragged([60, 10], [100, 40], SIZE)).toEqual({ left: 60, top: 10, side: 4 });
  expect(dragged([5, 5], [5, 5], SIZE).side).toBe(2);
});

test('keys move and resize a box about its middle', () => {
  const box = { left: 10, top: 10, side: 10 };
  expect(pressed(box, 'ArrowRight', false, SIZE)).toEqual({ left: 11, top: 10, side: 10 });
  expect(pressed(box, 'ArrowUp', true, SIZE)).toEqual({ left: 10, top: 6, side: 10 });
  expect(pressed(box, '+', false, SIZE)).toEqual({ left: 9, top: 9, side: 12 });
  expect(pressed(box, '-', false, SIZE)).toEqual({ left: 11, top: 11, side: 8 });
  expect(pressed(box, 'Enter', false, SIZE)).toBeNull();
});
