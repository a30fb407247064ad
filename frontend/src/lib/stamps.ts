/** Points as little pictures, laid over opaque pixels one by one: for machines on which no graphics card draws. */

/** A point's middle lies on one of so many places of a pixel along each axis. */
const PLACES = 4;
const SQUARE_BELOW = 3;

/** The pixels that a point covers, as how many pixels each lies behind that of the middle, counted row by row. */
interface Picture {
  /** Those that it covers whole. */
  inner: Int32Array;
  edge: Int32Array;
  /** How much of each at the edge is covered, of 256. */
  shares: Uint16Array;
}

/** Pictures of a point on a sheet of one width. */
export interface Stamps {
  /** No picture goes further from its middle, in pixels. */
  reach: number;
  /** One for every place of the middle, row by row. */
  pictures: readonly Picture[];
}

/** A point of `size` pixels on a sheet `width` pixels wide: a square where it is small, else a disc. */
export function stampsOf(size: number, width: number): Stamps {
  const pictures = Array.from({ length: PLACES * PLACES }, (_, at) =>
    pictureOf(size, width, ((at % PLACES) + 0.5) / PLACES, (Math.floor(at / PLACES) + 0.5) / PLACES),
  );
  return { reach: Math.ceil(size / 2 + 1), pictures };
}

function pictureOf(size: number, width: number, x: number, y: number): Picture {
  const isSquare = size < SQUARE_BELOW;
  // A pixel belongs to a square that holds its middle; to a disc also where its edge, one pixel wide, touches it.
  const reach = isSquare ? size / 2 : size / 2 + 0.5;
  const inner: number[] = [];
  const edge: number[] = [];
  const shares: number[] = [];
  for (let row = Math.ceil(y - reach - 0.5); row < y + reach - 0.5; row += 1)
    for (let column = Math.ceil(x - reach - 0.5); column < x + reach - 0.5; column += 1) {
      const apart = Math.hypot(column + 0.5 - x, row + 0.5 - y);
      const share = isSquare ? 256 : Math.round(256 * Math.min(1, Math.max(0, reach - apart)));
      if (share === 256) inner.push(row * width + column);
      else if (share > 0) {
        edge.push(row * width + column);
        shares.push(share);
      }
    }
  return { inner: Int32Array.from(inner), edge: Int32Array.from(edge), shares: Uint16Array.from(shares) };
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

/** A pixel of which `kept` of 256 stay, under a colour that was multiplied by the rest: red with blue, and green. */
function mixed(under: number, kept: number, redBlue: number, green: number): number {
  // Each channel has eight bits of room above it. Half of the last bit rounds.
  return (
    0xff000000 |
    (((Math.imul(under & 0xff00ff, kept) + redBlue + 0x800080) >>> 8) & 0xff00ff) |
    (((Math.imul(under & 0xff00, kept) + green + 0x8000) >>> 8) & 0xff00)
  );
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
  lay({ reach, pictures }: Stamps, { places, inks, left, top, scale }: Dots): void {
    const { pixels, width } = this;
    const [right, low] = [width - reach, this.height - reach];
    for (let i = 0; i < inks.length; i += 1) {
      const x = left + (places[2 * i] ?? 0) * scale;
      const y = top - (places[2 * i + 1] ?? 0) * scale;
      if (!(x >= reach && y >= reach && x < right && y < low)) continue;
      const column = x | 0;
      const row = y | 0;
      const picture = pictures[(((y - row) * PLACES) | 0) * PLACES + (((x - column) * PLACES) | 0)];
      if (!picture) continue;
      const { inner, edge, shares } = picture;
      const middle = row * width + column;
      const ink = inks[i] ?? 0;
      const alpha = (ink >>> 24) + (ink >>> 31); // of 256
      const redBlue = Math.imul(ink & 0xff00ff, alpha);
      const green = Math.imul(ink & 0xff00, alpha);
      for (let k = 0; k < inner.length; k += 1) {
        const at = middle + (inner[k] ?? 0);
        pixels[at] = mixed(pixels[at] ?? 0, 256 - alpha, redBlue, green);
      }
      for (let k = 0; k < edge.length; k += 1) {
        const at = middle + (edge[k] ?? 0);
        const over = ((shares[k] ?? 0) * alpha) >>> 8;
        pixels[at] = mixed(
          pixels[at] ?? 0,
          256 - over,
          Math.imul(ink & 0xff00ff, over),
          Math.imul(ink & 0xff00, over),
        );
      }
    }
  }
}
