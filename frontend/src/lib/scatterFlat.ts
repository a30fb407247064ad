/** The same picture on a plain canvas, where there is no WebGL: slower, and good for some ten thousand points. */
import { toPixels } from './mapView';
import type { Scatter, Scene } from './scatter';

export class FlatScatter implements Scatter {
  readonly kind = 'canvas';
  #from: Float32Array = new Float32Array();
  #to: Float32Array = new Float32Array();
  /** Points by their colour, as setting one costs more than drawing a point. */
  #groups: [string, number[]][] = [];

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
    const groups = new Map<number, number[]>();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; 4 * i < bytes.length; i += 1) {
      const key = view.getUint32(4 * i);
      const group = groups.get(key);
      if (group) group.push(i);
      else groups.set(key, [i]);
    }
    // Faint points first, so that chosen ones lie above them.
    const sorted = [...groups].sort(([a], [b]) => (a & 255) - (b & 255));
    this.#groups = sorted.map(([key, points]) => [styleOf(key), points]);
  }

  draw({ view, size, density, point, way }: Scene): void {
    const { canvas, context } = this;
    const [width, height] = [Math.round(size.width * density), Math.round(size.height * density)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    const half = point / 2;
    for (const [style, points] of this.#groups) {
      context.fillStyle = style;
      for (const i of points) {
        const [x0, y0] = [this.#from[2 * i] ?? 0, this.#from[2 * i + 1] ?? 0];
        const [x1, y1] = [this.#to[2 * i] ?? 0, this.#to[2 * i + 1] ?? 0];
        const [x, y] = toPixels(view, size, x0 + way * (x1 - x0), y0 + way * (y1 - y0));
        if (x < -half || y < -half || x > size.width + half || y > size.height + half) continue;
        if (point < 3) context.fillRect(x - half, y - half, point, point);
        else {
          context.beginPath();
          context.arc(x, y, half, 0, 2 * Math.PI);
          context.fill();
        }
      }
    }
  }

  end(): void {
    this.#groups = [];
  }
}

function styleOf(key: number): string {
  return `rgba(${key >>> 24}, ${(key >>> 16) & 255}, ${(key >>> 8) & 255}, ${((key & 255) / 255).toFixed(3)})`;
}
