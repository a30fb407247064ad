/** Points as little pictures, laid over pixels one by one: for machines on which no graphics card draws. */

/** How much of each pixel of a rectangle a point covers, of 255; `left` and `top` are seen from the pixel of its middle. */
export interface Stamp {
  left: number;
  top: number;
  width: number;
  height: number;
  cover: Uint8Array;
}

/** A point's middle lies on one of so many places of a pixel along each axis. */
const PLACES = 4;
const SQUARE_BELOW = 3;

/** Stamps of a point of `size` pixels for every place of its middle, row by row: a square where it is small, else a disc. */
export function stampsOf(size: number): Stamp[] {
  return Array.from({ length: PLACES * PLACES }, (_, at) =>
    stampOf(size, ((at % PLACES) + 0.5) / PLACES, (Math.floor(at / PLACES) + 0.5) / PLACES),
  );
}

function stampOf(size: number, x: number, y: number): Stamp {
  const half = size / 2;
  // A pixel belongs to a square that holds its middle; to a disc also where its edge, one pixel wide, touches it.
  const reach = size < SQUARE_BELOW ? half : half + 0.5;
  const [left, right] = [Math.ceil(x - reach - 0.5), Math.ceil(x + reach - 0.5)];
  const [top, bottom] = [Math.ceil(y - reach - 0.5), Math.ceil(y + reach - 0.5)];
  const [width, height] = [right - left, bottom - top];
  const cover = Uint8Array.from({ length: width * height }, (_, at) => {
    if (size < SQUARE_BELOW) return 255;
    const apart = Math.hypot(left + (at % width) + 0.5 - x, top + Math.floor(at / width) + 0.5 - y);
    return Math.round(255 * Math.min(1, Math.max(0, half - apart + 0.5)));
  });
  // Rounding up gives -0, which is no integer to a machine, and three times slower.
  return { left: left | 0, top: top | 0, width, height, cover };
}

/** The colour `ink`, as far as `over` of 255 goes, over `under`. */
function mixed(ink: number, over: number, under: number): number {
  const both = over + ((under >>> 24) * (255 - over)) / 255;
  // Most often a point lies on others of its class.
  if (((under ^ ink) & 0xffffff) === 0) return ((both + 0.5) << 24) | (ink & 0xffffff);
  const share = over / both;
  const red = under & 255;
  const green = (under >>> 8) & 255;
  const blue = (under >>> 16) & 255;
  return (
    ((both + 0.5) << 24) |
    ((blue + (((ink >>> 16) & 255) - blue) * share) << 16) |
    ((green + (((ink >>> 8) & 255) - green) * share) << 8) |
    (red + ((ink & 255) - red) * share)
  );
}

/** Pixels, red first and alpha last in memory, not multiplied by alpha; as 32-bit numbers of a little-endian machine. */
export class Sheet {
  readonly pixels: Uint32Array;

  constructor(
    readonly width: number,
    readonly height: number,
    buffer: ArrayBufferLike = new ArrayBuffer(4 * width * height),
  ) {
    this.pixels = new Uint32Array(buffer);
  }

  /** Lay a point of colour `ink` with its middle at x and y over what is there; what lies outside is left out. */
  lay(stamps: readonly Stamp[], x: number, y: number, ink: number): void {
    const { pixels, width } = this;
    const column = Math.floor(x) | 0;
    const row = Math.floor(y) | 0;
    const stamp = stamps[(((y - row) * PLACES) | 0) * PLACES + (((x - column) * PLACES) | 0)];
    if (!stamp) return;
    const { cover } = stamp;
    const left = column + stamp.left;
    const top = row + stamp.top;
    const right = Math.min(left + stamp.width, width);
    const bottom = Math.min(top + stamp.height, this.height);
    const alpha = ink >>> 24;
    for (let to = Math.max(0, top); to < bottom; to += 1) {
      const covers = (to - top) * stamp.width - left;
      for (let at = Math.max(0, left); at < right; at += 1) {
        const share = cover[covers + at] ?? 0;
        if (share === 0) continue;
        const over = share === 255 ? alpha : Math.round((alpha * share) / 255);
        const place = to * width + at;
        const under = pixels[place] ?? 0;
        pixels[place] = under === 0 ? (over << 24) | (ink & 0xffffff) : mixed(ink, over, under);
      }
    }
  }
}
