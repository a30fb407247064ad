/** The same picture pixel by pixel on a plain canvas: where no graphics card draws, much faster than WebGL without one. */
import type { Scatter, Scene } from './scatter';
import { Sheet, stampsOf } from './stamps';

export class FlatScatter implements Scatter {
  readonly kind = 'canvas';
  #from: Float32Array = new Float32Array();
  #to: Float32Array = new Float32Array();
  #inks: Uint32Array = new Uint32Array();
  /** Faint points first, so that chosen ones lie above them. */
  #order: Uint32Array = new Uint32Array();
  #image: ImageData | null = null;

  private constructor(
    readonly canvas: HTMLCanvasElement,
    readonly context: CanvasRenderingContext2D,
  ) {}

  static on(canvas: HTMLCanvasElement): FlatScatter | null {
    const context = canvas.getContext('2d');
    return context ? new FlatScatter(canvas, context) : null;
  }

  place(from: Float32Array, to: Float32Array): void {
    [this.#from, this.#to] = [from, to];
  }

  colour(bytes: Uint8Array): void {
    this.#inks = new Uint32Array(bytes.slice().buffer);
    const clear = this.#inks.reduce((most, ink) => Math.max(most, ink >>> 24), 0);
    const isFaint = (i: number): boolean => (this.#inks[i] ?? 0) >>> 24 < clear;
    const all = Uint32Array.from(this.#inks.keys());
    this.#order = new Uint32Array([...all.filter(isFaint), ...all.filter((i) => !isFaint(i))]);
  }

  draw({ view, size, density, point, way }: Scene): void {
    const { canvas, context } = this;
    const [width, height] = [Math.round(size.width * density), Math.round(size.height * density)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    if (this.#image?.width !== width || this.#image.height !== height)
      this.#image = context.createImageData(width, height);
    const sheet = new Sheet(width, height, this.#image.data.buffer);
    sheet.pixels.fill(0);
    const reach = point * density;
    const stamps = stampsOf(reach);
    const scale = view.scale * density;
    const left = width / 2 - view.x * scale;
    const top = height / 2 + view.y * scale;
    const [from, to, inks, order] = [this.#from, this.#to, this.#inks, this.#order];
    // Plain numbers alone: a hundred thousand points in a frame leave no time for anything else.
    for (let k = 0; k < order.length; k += 1) {
      const i = order[k] ?? 0;
      const x0 = from[2 * i] ?? 0;
      const y0 = from[2 * i + 1] ?? 0;
      const x = left + (x0 + way * ((to[2 * i] ?? 0) - x0)) * scale;
      const y = top - (y0 + way * ((to[2 * i + 1] ?? 0) - y0)) * scale;
      if (x < -reach || y < -reach || x > width + reach || y > height + reach) continue;
      sheet.lay(stamps, x, y, inks[i] ?? 0);
    }
    context.putImageData(this.#image, 0, 0);
  }

  end(): void {
    this.#image = null;
  }
}
