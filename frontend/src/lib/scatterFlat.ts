/** The same picture pixel by pixel on a plain canvas: where no graphics card draws, much faster than WebGL without one. */
import type { Rgb } from './mapColours';
import { PointGrid } from './pointGrid';
import { LARGEST_POINT, type Scatter, type Scene } from './scatter';
import { Sheet, stampsOf } from './stamps';

/** Points in the order in which they are laid. */
interface Laid {
  from: Float32Array;
  to: Float32Array;
  inks: Int32Array;
}

export class FlatScatter implements Scatter {
  readonly kind = 'canvas';
  #from: Float32Array = new Float32Array();
  #to: Float32Array = new Float32Array();
  /** Neighbours follow each other, so that their pixels are still at hand: half of the time where there are many. */
  #near: Uint32Array = new Uint32Array();
  #bytes: Uint8Array = new Uint8Array();
  #ground = 0;
  /** Null until the next frame, where places or colours are new. */
  #laid: Laid | null = null;
  #image: ImageData | null = null;

  private constructor(
    readonly canvas: HTMLCanvasElement,
    readonly context: CanvasRenderingContext2D,
  ) {}

  static on(canvas: HTMLCanvasElement): FlatScatter | null {
    // Opaque, as a browser without a graphics card takes three times as long to put another on the page.
    const context = canvas.getContext('2d', { alpha: false });
    return context ? new FlatScatter(canvas, context) : null;
  }

  place(from: Float32Array, to: Float32Array): void {
    [this.#from, this.#to, this.#laid] = [from, to, null];
    this.#near = new PointGrid(to).order;
  }

  colour(bytes: Uint8Array, ground: Rgb): void {
    [this.#bytes, this.#laid] = [bytes, null];
    this.#ground = inksOf(Uint8Array.of(...ground, 255))[0] ?? 0;
  }

  draw({ view, size, density, point, way }: Scene): void {
    const { canvas, context } = this;
    const [width, height] = [Math.round(size.width * density), Math.round(size.height * density)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    // Points that cross an edge of the canvas lie on a sheet that is larger all round.
    const margin = Math.ceil(LARGEST_POINT * density) + 2;
    const [across, down] = [width + 2 * margin, height + 2 * margin];
    if (this.#image?.width !== across || this.#image.height !== down)
      this.#image = context.createImageData(across, down);
    const sheet = new Sheet(across, down, this.#image.data.buffer);
    sheet.pixels.fill(this.#ground);
    this.#laid ??= laid(this.#near, this.#from, this.#to, inksOf(this.#bytes));
    const { from, to, inks } = this.#laid;
    const scale = view.scale * density;
    sheet.lay(stampsOf(point * density, across), {
      places: way < 1 ? to.map((end, k) => (1 - way) * (from[k] ?? 0) + way * end) : to,
      inks,
      scale,
      left: across / 2 - view.x * scale,
      top: down / 2 + view.y * scale,
    });
    context.putImageData(this.#image, -margin, -margin);
  }

  end(): void {
    this.#image = null;
  }
}

function inksOf(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.slice().buffer);
}

/** Faint points first, so that chosen ones lie above them; else in order of `near`. */
function laid(near: Uint32Array, from: Float32Array, to: Float32Array, inks: Int32Array): Laid {
  const found = {
    from: new Float32Array(to.length),
    to: new Float32Array(to.length),
    inks: new Int32Array(near.length),
  };
  const most = inks.reduce((alpha, ink) => Math.max(alpha, ink >>> 24), 0);
  let at = 0;
  for (const isClear of [false, true])
    for (const i of near) {
      const ink = inks[i] ?? 0;
      if ((ink >>> 24 === most) !== isClear) continue;
      found.inks[at] = ink;
      found.from[2 * at] = from[2 * i] ?? 0;
      found.from[2 * at + 1] = from[2 * i + 1] ?? 0;
      found.to[2 * at] = to[2 * i] ?? 0;
      found.to[2 * at + 1] = to[2 * i + 1] ?? 0;
      at += 1;
    }
  return found;
}
