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
  const at = (dx: number, dy: number): string => `${(x + dx * r).toFixed(2)} ${(y + dy * r).toFixed(2)}`;
  switch (shape) {
    case 'square':
      return `M${at(-0.9, -0.9)}L${at(0.9, -0.9)}L${at(0.9, 0.9)}L${at(-0.9, 0.9)}Z`;
    case 'triangle':
      return `M${at(0, -1.2)}L${at(1.1, 0.8)}L${at(-1.1, 0.8)}Z`;
    case 'diamond':
      return `M${at(0, -1.3)}L${at(1.3, 0)}L${at(0, 1.3)}L${at(-1.3, 0)}Z`;
    case 'cross':
      return (
        `M${at(-1.1, -0.6)}L${at(-0.6, -1.1)}L${at(0, -0.5)}L${at(0.6, -1.1)}L${at(1.1, -0.6)}L${at(0.5, 0)}` +
        `L${at(1.1, 0.6)}L${at(0.6, 1.1)}L${at(0, 0.5)}L${at(-0.6, 1.1)}L${at(-1.1, 0.6)}L${at(-0.5, 0)}Z`
      );
    case 'ring':
      // The hole runs the other way round, so that it stays one where many marks make one path.
      return circle(x, y, 1.1 * r) + circle(x, y, 0.5 * r, 1);
    default:
      return circle(x, y, r);
  }
}

function circle(x: number, y: number, r: number, sweep: 0 | 1 = 0): string {
  const [left, width, radius] = [(x - r).toFixed(2), (2 * r).toFixed(2), r.toFixed(2)];
  const half = `a${radius} ${radius} 0 1 ${sweep} `;
  return `M${left} ${y.toFixed(2)}${half}${width} 0${half}-${width} 0Z`;
}
