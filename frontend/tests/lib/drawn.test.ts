import { expect, test } from 'vitest';
import { parseDrawn, rgbaOf } from '../../src/lib/drawn';

function body(told: object, channels: number, side: number, pixels: number[]): ArrayBuffer {
  const json = new TextEncoder().encode(JSON.stringify(told));
  const bytes = new Uint8Array(16 + json.length + pixels.length);
  new Uint32Array(bytes.buffer, 0, 4).set([
    json.length,
    pixels.length / (channels * side * side),
    channels,
    side,
  ]);
  bytes.set(json, 16);
  bytes.set(pixels, 16 + json.length);
  return bytes.buffer;
}

test('pictures go to the views of every image in turn, then to the operations alone', () => {
  const told = {
    images: [
      {
        index: 7,
        views: [
          { picture: '', digest: 'é' },
          { picture: '', digest: 'b' },
        ],
      },
      {
        index: null,
        views: [
          { picture: '', digest: 'c' },
          { picture: '', digest: 'd' },
        ],
      },
    ],
    alone: [{ part: 'noise', picture: '' }],
    in_vain: ['nothing'],
  };
  const drawn = parseDrawn(body(told, 1, 2, [...Array(20).keys()]));
  const seen = drawn.images.flatMap(({ views }) => views.map(({ picture }) => [...picture.pixels]));
  expect(seen).toEqual([
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9, 10, 11],
    [12, 13, 14, 15],
  ]);
  expect(drawn.images.map(({ views }) => views.map(({ digest }) => digest).join(''))).toEqual(['éb', 'cd']);
  expect(drawn.alone.map(({ part, picture }) => [part, picture.side, [...picture.pixels]])).toEqual([
    ['noise', 2, [16, 17, 18, 19]],
  ]);
  expect(drawn.in_vain).toEqual(['nothing']);
});

test('channels become red, green and blue, and one channel all three', () => {
  const colour = rgbaOf({ channels: 3, side: 1, pixels: new Uint8Array([1, 2, 255]) });
  expect([...colour]).toEqual([1, 2, 255, 255]);
  const grey = rgbaOf({ channels: 1, side: 2, pixels: new Uint8Array([9, 8, 7, 6]) });
  expect([...grey]).toEqual([9, 9, 9, 255, 8, 8, 8, 255, 7, 7, 7, 255, 6, 6, 6, 255]);
});
