import { describe, expect, it } from 'vitest';
import type { Rgb } from '../../src/lib/mapColours';
import type { Scene } from '../../src/lib/scatter';
import { FlatScatter } from '../../src/lib/scatterFlat';

const [RED, FAINT_BLUE] = [[255, 0, 0, 215] as const, [0, 0, 255, 40] as const];
const GROUND: Rgb = [10, 20, 30];
/** Eight pixels by eight, the map's origin in the middle; a unit of the map is one pixel. */
const SCENE: Scene = {
  view: { x: 0, y: 0, scale: 1 },
  size: { width: 8, height: 8 },
  density: 1,
  point: 2,
  way: 1,
};

interface Point {
  from?: readonly [number, number];
  to: readonly [number, number];
  colour: readonly number[];
}

/** What a scene puts on the canvas: the colour of a pixel, counted from the upper left. */
function drawn(points: readonly Point[], scene: Scene): (x: number, y: number) => number[] {
  let put: (x: number, y: number) => number[] = () => [];
  const context = {
    createImageData: (width: number, height: number) => ({
      width,
      height,
      data: new Uint8ClampedArray(4 * width * height),
    }),
    putImageData: (image: ImageData, left: number, top: number) => {
      put = (x, y) => {
        const at = 4 * ((y - top) * image.width + x - left);
        return [...image.data.slice(at, at + 4)];
      };
    },
  };
  const scatter = FlatScatter.on({ getContext: () => context } as unknown as HTMLCanvasElement);
  const places = (of: (point: Point) => readonly [number, number]): Float32Array =>
    Float32Array.from(points.flatMap(of));
  scatter?.place(
    places(({ from, to }) => from ?? to),
    places(({ to }) => to),
  );
  scatter?.colour(Uint8Array.from(points.flatMap(({ colour }) => colour)), GROUND);
  scatter?.draw(scene);
  return put;
}

describe('points on a plain canvas', () => {
  it('lie on opaque ground', () => {
    const at = drawn([{ to: [1, 1], colour: RED }], SCENE);
    expect(at(0, 0)).toEqual([10, 20, 30, 255]);
    const [red = 0, , , alpha] = at(5, 3);
    expect(red).toBeGreaterThan(200);
    expect(alpha).toBe(255);
  });
  it('lie above faint ones, whichever comes first', () => {
    const both = [
      { to: [0, 0], colour: RED },
      { to: [0, 0], colour: FAINT_BLUE },
    ] as const;
    const [first, second] = [drawn(both, SCENE)(4, 4), drawn(both.toReversed(), SCENE)(4, 4)];
    expect(first).toEqual(second);
    expect(first[2]).toBeLessThan(20);
  });
  it('cross the edges of the canvas', () => {
    const at = drawn(
      [
        { to: [-4.5, 4.5], colour: RED },
        { to: [4, -4], colour: RED },
      ],
      SCENE,
    );
    expect(at(0, 0)[0]).toBeGreaterThan(200);
    expect(at(7, 7)[0]).toBeGreaterThan(200);
  });
  it('are as far on their way as the scene says', () => {
    const at = drawn([{ from: [-2, 0], to: [2, 0], colour: RED }], { ...SCENE, way: 0.25 });
    expect([2, 3, 4, 5].map((x) => (at(x, 4)[0] ?? 0) > 200)).toEqual([true, true, false, false]);
  });
});
