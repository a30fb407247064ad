/** Draws the points of a map: by WebGL 2 where a graphics card does it, else on a plain canvas, to the same picture. */
import type { Rgb } from './mapColours';
import type { Size, View } from './mapView';
import { FlatScatter } from './scatterFlat';
import { GlScatter } from './scatterGl';

export interface Scene {
  view: View;
  size: Size;
  /** Device pixels to one of the page. */
  density: number;
  /** Diameter of a point in pixels of the page. */
  point: number;
  /** How far points are on the way from their old places to the new ones, from 0 to 1. */
  way: number;
}

export interface Scatter {
  readonly kind: 'webgl' | 'canvas';
  /** Places to move from and to, x and y in turn. */
  place(from: Float32Array, to: Float32Array): void;
  /** RGBA of every point, and what lies under all of them. */
  colour(bytes: Uint8Array, ground: Rgb): void;
  draw(scene: Scene): void;
  end(): void;
}

/** What draws on this canvas; null where that does not work. A canvas that once gave a WebGL context gives no plain one. */
export function scatterOn(canvas: HTMLCanvasElement, isPlain: boolean, onlost: () => void): Scatter | null {
  return isPlain ? FlatScatter.on(canvas) : GlScatter.on(canvas, onlost);
}

/** In pixels of the page. */
export const LARGEST_POINT = 12;

/** Diameter of points in pixels: small where there are many, larger when one looks closely. */
export function pointSize(n: number, view: View, fit: View): number {
  const closer = Math.max(1, view.scale / fit.scale);
  const base = n > 50_000 ? 2 : n > 10_000 ? 2.5 : n > 2_000 ? 4 : 6;
  return Math.min(LARGEST_POINT, base * closer ** 0.35);
}
