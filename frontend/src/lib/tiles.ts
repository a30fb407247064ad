/** Tiles of thumbnails as the API sends them (`backend/api/tiles.py`), and as a canvas draws them. */
import type { Split } from '../api/types';
import { SPLITS } from './sets';

/** Images in a tile; only the last one of a choice holds fewer. */
export const PER_TILE = 200;
/** Thumbnails side by side in a sprite. */
export const SPRITE_COLUMNS = 20;

export interface Tile {
  n: number;
  channels: number;
  /** Side of a thumbnail in pixels. */
  side: number;
  /** Where each image stands in the set. */
  positions: Int32Array;
  /** Class of each, -1 for none. */
  labels: Int32Array;
  splits: Split[];
  /** Shape (n, channels, side, side). */
  pixels: Uint8Array;
}

export function parseTile(body: ArrayBuffer): Tile {
  const [n = 0, channels = 0, side = 0] = new Uint32Array(body, 0, 3);
  const codes = new Uint8Array(body, 12 + 8 * n, n);
  return {
    n,
    channels,
    side,
    positions: new Int32Array(body, 12, n),
    labels: new Int32Array(body, 12 + 4 * n, n),
    splits: Array.from(codes, (code) => SPLITS[code] ?? 'train'),
    pixels: new Uint8Array(body, 12 + 8 * n + Math.ceil(n / 4) * 4, n * channels * side * side),
  };
}

/** The size of a tile's sprite in pixels. */
export function spriteSize(tile: Tile): { width: number; height: number } {
  return { width: SPRITE_COLUMNS * tile.side, height: Math.ceil(tile.n / SPRITE_COLUMNS) * tile.side };
}

/** A tile's thumbnails as one picture in RGBA, `SPRITE_COLUMNS` in a row. */
export function toRgba(tile: Tile): Uint8ClampedArray<ArrayBuffer> {
  const { n, channels, side, pixels } = tile;
  const { width, height } = spriteSize(tile);
  const bytes = new ArrayBuffer(width * height * 4);
  // One 32-bit store a pixel; alpha lies in the highest byte, as every browser's machine is little-endian.
  const out = new Uint32Array(bytes);
  const area = side * side;
  const green = channels === 3 ? area : 0;
  const blue = channels === 3 ? 2 * area : 0;
  for (let image = 0; image < n; image += 1) {
    const from = image * channels * area;
    const corner = Math.floor(image / SPRITE_COLUMNS) * side * width + (image % SPRITE_COLUMNS) * side;
    for (let y = 0; y < side; y += 1) {
      let at = corner + y * width;
      const end = from + (y + 1) * side;
      for (let p = from + y * side; p < end; p += 1, at += 1) {
        out[at] =
          0xff000000 | ((pixels[p + blue] ?? 0) << 16) | ((pixels[p + green] ?? 0) << 8) | (pixels[p] ?? 0);
      }
    }
  }
  return new Uint8ClampedArray(bytes);
}

/** Tiles that hold the images from `first` to `last`, those of the middle first, and one more on either side. */
export function tilesFor(first: number, last: number, total: number): number[] {
  if (total === 0) return [];
  const most = Math.floor((total - 1) / PER_TILE);
  const from = Math.max(0, Math.floor(first / PER_TILE));
  const to = Math.min(most, Math.floor(Math.max(first, last) / PER_TILE));
  const seen = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  return [...seen, to + 1, from - 1].filter((tile) => tile >= 0 && tile <= most);
}
