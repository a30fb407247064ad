/** Points as little pictures, laid over opaque pixels one by one: for machines on which no graphics card draws. */

/** A point's middle lies on one of so many places of a pixel along each axis. */
const PLACES = 4;
const SQUARE_BELOW = 3;
const SHARE_BITS = 9;
const SHARES = (1 << SHARE_BITS) - 1;

/** Pictures of a point on a sheet of one width. */
export interface Stamps {
  /** No picture goes further from its middle, in pixels. */
  reach: number;
  /**
   * One for every place of the middle, row by row: a number for each pixel that the point covers. Its low bits tell how much is
   * covered, of 256; those above how many pixels it lies behind that of the middle, counted row by row.
   */
  marks: readonly Int32Array[];
}

/** A point of `size` pixels on a sheet `width` pixels wide: a square where it is small, else a disc. */
export function stampsOf(size: number, width: number): Stamps {
  const marks = Array.from({ length: PLACES * PLACES }, (_, at) =>
    marksOf(size, width, ((at % PLACES) + 0.5) / PLACES, (Math.floor(at / PLACES) + 0.5) / PLACES),
  );
  return { reach: Math.ceil(size / 2 + 1), marks };
}

function marksOf(size: number, width: number, x: number, y: number): Int32Array {
  const half = size / 2;
  const isSquare = size < SQUARE_BELOW;
  // A pixel belongs to a square that holds its middle; to a disc also where its edge, one pixel wide, touches it.
  const reach = isSquare ? half : half + 0.5;
  const marks: number[] = [];
  for (let row = Math.ceil(y - reach - 0.5); row < y + reach - 0.5; row += 1)
    for (let column = Math.ceil(x - reach - 0.5); column < x + reach - 0.5; column += 1) {
      const apart = Math.hypot(column + 0.5 - x, row + 0.5 - y);
      const share = isSquare ? 256 : Math.round(256 * Math.min(1, Math.max(0, reach - apart)));
      if (share > 0) marks.push(((row * width + column) << SHARE_BITS) | share);
    }
  return Int32Array.from(marks);
}

/** Points to be laid. */
export interface Dots {
  /** x and y in turn: `left + scale * x` and `top - scale * y` are pixels. */
  places: Float32Array;
  /** Of every point, red first and alpha last in memory. */
  inks: Int32Array;
  left: number;
  top: number;
  scale: number;
}

/** Pixels, red first and alpha last in memory, all of them opaque; as 32-bit numbers of a little-endian machine. */
export class Sheet {
  readonly pixels: Int32Array;

  constructor(
    readonly width: number,
    readonly height: number,
    buffer: ArrayBufferLike = new ArrayBuffer(4 * width * height),
  ) {
    this.pixels = new Int32Array(buffer);
  }

  /** Lay points over what is there, one after another; none whose picture may cross an edge. */
  lay({ reach, marks }: Stamps, { places, inks, left, top, scale }: Dots): void {
    const { pixels, width } = this;
    const [right, low] = [width - reach, this.height - reach];
    for (let i = 0; i < inks.length; i += 1) {
      const x = left + (places[2 * i] ?? 0) * scale;
      const y = top - (places[2 * i + 1] ?? 0) * scale;
      if (!(x >= reach && y >= reach && x < right && y < low)) continue;
      const column = x | 0;
      const row = y | 0;
      const picture = marks[
        (((y - row) * PLACES) | 0) * PLACES + (((x - column) * PLACES) | 0)
      ] as Int32Array;
      const middle = row * width + column;
      const ink = inks[i] ?? 0;
      const strength = (ink >>> 24) + (ink >>> 31);
      // Red and blue in one product, green in another: each has eight bits of room above it.
      const redBlue = ink & 0xff00ff;
      const green = ink & 0xff00;
      for (let k = 0; k < picture.length; k += 1) {
        const mark = picture[k] ?? 0;
        const at = middle + (mark >> SHARE_BITS);
        const over = ((mark & SHARES) * strength) >>> 8;
        const under = pixels[at] ?? 0;
        pixels[at] =
          0xff000000 |
          (((Math.imul(under & 0xff00ff, 256 - over) + Math.imul(redBlue, over) + 0x800080) >>> 8) &
            0xff00ff) |
          (((Math.imul(under & 0xff00, 256 - over) + Math.imul(green, over) + 0x8000) >>> 8) & 0xff00);
      }
    }
  }
}
