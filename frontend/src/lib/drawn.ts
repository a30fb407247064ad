/** Previews whose pictures are pixels, as the API sends them (`as_bytes` in `backend/api/augmentations.py`). */
import type { Preview, ShownImage } from '../api/types';

/** An image as a canvas draws it, without a file in between: a slider waits for dozens of them. */
export interface Picture {
  channels: number;
  /** Side in pixels. */
  side: number;
  /** Shape (channels, side, side). */
  pixels: Uint8Array;
}

type View = ShownImage['views'][number];
export type DrawnView = Omit<View, 'picture'> & { picture: Picture };
export type DrawnImage = Omit<ShownImage, 'views'> & { views: DrawnView[] };
export type Drawn = Omit<Preview, 'images' | 'alone'> & {
  images: DrawnImage[];
  alone: { part: string; picture: Picture }[];
};

const HEAD_BYTES = 16;

export function parseDrawn(body: ArrayBuffer): Drawn {
  const [length = 0, , channels = 0, side = 0] = new Uint32Array(body, 0, 4);
  const told = JSON.parse(new TextDecoder().decode(new Uint8Array(body, HEAD_BYTES, length))) as Preview;
  const bytes = channels * side * side;
  let at = HEAD_BYTES + length;
  const next = (): Picture => {
    at += bytes;
    return { channels, side, pixels: new Uint8Array(body, at - bytes, bytes) };
  };
  return {
    ...told,
    images: told.images.map((image) => ({
      ...image,
      views: image.views.map((view) => ({ ...view, picture: next() })),
    })),
    alone: told.alone.map(({ part }) => ({ part, picture: next() })),
  };
}

/** A picture in RGBA. */
export function rgbaOf({ channels, side, pixels }: Picture): Uint8ClampedArray<ArrayBuffer> {
  const area = side * side;
  // One 32-bit store a pixel; alpha lies in the highest byte, as every browser's machine is little-endian.
  const out = new Uint32Array(area);
  const green = channels === 3 ? area : 0;
  const blue = channels === 3 ? 2 * area : 0;
  for (let p = 0; p < area; p += 1) {
    out[p] =
      0xff000000 | ((pixels[p + blue] ?? 0) << 16) | ((pixels[p + green] ?? 0) << 8) | (pixels[p] ?? 0);
  }
  return new Uint8ClampedArray(out.buffer);
}
