/** How series are told apart: by hue, by the pattern of the line and by the shape of the mark, so that no one of them has to be seen. */

export interface Look {
  /** A class that sets `--tone`. */
  tone: string;
  /** Pattern of the line: lengths of dashes and gaps in pixels, empty for none. */
  dash: string;
  shape: Shape;
}

export type Shape = 'circle' | 'square' | 'triangle' | 'diamond' | 'cross' | 'ring';

const TONES = 6;
const DASHES = ['', '8 4', '2 3', '10 3 2 3', '14 5', '5 2 1 2 1 2'] as const;
const SHAPES: readonly Shape[] = ['circle', 'square', 'triangle', 'diamond', 'cross', 'ring'];

/** The look of the i-th series; the 7th has the first hue again, under another pattern. */
export function lookOf(i: number): Look {
  const turn = i + Math.floor(i / TONES);
  return {
    tone: `tone-${i % TONES}`,
    dash: DASHES[turn % DASHES.length] ?? '',
    shape: SHAPES[turn % SHAPES.length] ?? 'circle',
  };
}

/** The look of a class: its own colour, which it has on every page. */
export function lookOfClass(index: number): Look {
  const { dash, shape } = lookOf(index);
  return { tone: `class-${index % 10}`, dash, shape };
}

/** A mark of radius `r` around a point, as an SVG path. */
export function markPath(shape: Shape, x: number, y: number, r: number): string {
  const start = `M${tenths(x)} ${tenths(y)}`;
  return outline(shape, r)
    .map((part) => start + part)
    .join('');
}

const tenths = (value: number): number => Math.round(10 * value) / 10;
const outlines = new Map<string, readonly string[]>();

/** Its contours as steps from its middle: a chart has hundreds of the same. */
function outline(shape: Shape, r: number): readonly string[] {
  const key = `${shape} ${r}`;
  const known = outlines.get(key) ?? drawn(shape, r);
  if (outlines.size < 500) outlines.set(key, known);
  return known;
}

const POLYGONS: Partial<Record<Shape, readonly (readonly [number, number])[]>> = {
  square: [
    [-0.9, -0.9],
    [0.9, -0.9],
    [0.9, 0.9],
    [-0.9, 0.9],
  ],
  triangle: [
    [0, -1.2],
    [1.1, 0.8],
    [-1.1, 0.8],
  ],
  diamond: [
    [0, -1.3],
    [1.3, 0],
    [0, 1.3],
    [-1.3, 0],
  ],
  cross: [
    [-1.1, -0.6],
    [-0.6, -1.1],
    [0, -0.5],
    [0.6, -1.1],
    [1.1, -0.6],
    [0.5, 0],
    [1.1, 0.6],
    [0.6, 1.1],
    [0, 0.5],
    [-0.6, 1.1],
    [-1.1, 0.6],
    [-0.5, 0],
  ],
};

function drawn(shape: Shape, r: number): readonly string[] {
  const corners = POLYGONS[shape];
  if (corners)
    return [`${corners.map((corner, i) => step(corner, corners[i - 1] ?? [0, 0], i, r)).join('')}z`];
  // The hole runs the other way round, so that it stays one where many marks make one path.
  return shape === 'ring' ? [circle(1.1 * r), circle(0.5 * r, 1)] : [circle(r)];
}

function step(to: readonly [number, number], from: readonly [number, number], i: number, r: number): string {
  const along = (axis: 0 | 1): string => ((to[axis] - from[axis]) * r).toFixed(2);
  return `${i === 0 ? 'm' : 'l'}${along(0)} ${along(1)}`;
}

function circle(r: number, sweep: 0 | 1 = 0): string {
  const [left, width, radius] = [(-r).toFixed(2), (2 * r).toFixed(2), r.toFixed(2)];
  const half = `a${radius} ${radius} 0 1 ${sweep} `;
  return `m${left} 0${half}${width} 0${half}-${width} 0z`;
}
