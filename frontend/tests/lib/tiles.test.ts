import { describe, expect, it } from 'vitest';
import { parseTile, PER_TILE, SPRITE_COLUMNS, spriteSize, tilesFor, toRgba } from '../../src/lib/tiles';

/** A tile as the API writes it: image i has position 10 i, label i - 1, split i % 3, and pixels that count. */
function body(n: number, channels: number, side: number): ArrayBuffer {
  const pixels = Uint8Array.from({ length: n * channels * side * side }, (_, i) => i % 251);
  const padded = Math.ceil(n / 4) * 4;
  const bytes = new Uint8Array(12 + 8 * n + padded + pixels.length);
  const view = new DataView(bytes.buffer);
  [n, channels, side].forEach((value, i) => view.setUint32(4 * i, value, true));
  for (let i = 0; i < n; i += 1) {
    view.setInt32(12 + 4 * i, 10 * i, true);
    view.setInt32(12 + 4 * (n + i), i - 1, true);
    bytes[12 + 8 * n + i] = i % 3;
  }
  bytes.set(pixels, 12 + 8 * n + padded);
  return bytes.buffer;
}

describe('a tile', () => {
  it('tells of every image where it stands, its label and its split', () => {
    const tile = parseTile(body(5, 3, 4));
    expect([...tile.positions]).toEqual([0, 10, 20, 30, 40]);
    expect([...tile.labels]).toEqual([-1, 0, 1, 2, 3]);
    expect(tile.splits).toEqual(['train', 'val', 'test', 'train', 'val']);
    expect(tile.pixels).toHaveLength(5 * 3 * 16);
    expect(tile.pixels[0]).toBe(0);
  });

  it.each([1, 3])(
    'becomes a sprite in which every pixel is where it belongs, with %i channels',
    (channels) => {
      const [n, side] = [SPRITE_COLUMNS + 2, 3];
      const tile = parseTile(body(n, channels, side));
      const { width, height } = spriteSize(tile);
      expect([width, height]).toEqual([60, 6]);
      const rgba = toRgba(tile);
      for (const [image, y, x] of [
        [0, 0, 0],
        [1, 2, 1],
        [19, 0, 2],
        [21, 1, 2],
      ] as const) {
        const at = ((Math.floor(image / 20) * side + y) * width + (image % 20) * side + x) * 4;
        const pixel = Array.from({ length: 3 }, (_, channel) => {
          const plane = channels === 3 ? channel : 0;
          return ((image * channels + plane) * side * side + y * side + x) % 251;
        });
        expect([...rgba.slice(at, at + 4)]).toEqual([...pixel, 255]);
      }
    },
  );

  it('is wanted when it is in sight, then the one after, then the one before', () => {
    expect(tilesFor(0, 150, 1000)).toEqual([0, 1]);
    expect(tilesFor(PER_TILE * 2 - 1, PER_TILE * 2, 1000)).toEqual([1, 2, 3, 0]);
    expect(tilesFor(900, 1200, 1000)).toEqual([4, 3]);
    expect(tilesFor(0, 0, 0)).toEqual([]);
  });
});
