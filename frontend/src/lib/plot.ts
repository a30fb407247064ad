/** Points, curves and bands of an x–y chart, as data and as SVG paths. */
import { markPath, type Look } from './looks';
import { extent, logarithmic, logTicks, linear, ticks, type Range } from './scale';

export interface Point {
  x: number;
  /** Null where there is no number: the line breaks there. */
  y: number | null;
  low?: number;
  high?: number;
  /** Radius of its mark in pixels, where it says something. */
  r?: number;
  /** Everything there is to say of it. */
  label: string;
  /** Where it leads. */
  href?: string;
}

export interface Series {
  name: string;
  look: Look;
  points: readonly Point[];
  /** Whether its points are joined. */
  joined: boolean;
  /** Whether its points are marked. */
  marked: boolean;
}

export interface Tick {
  at: number;
  label: string;
}

/** The straight or logarithmic map of an axis and its ticks. */
export interface Axis {
  place: (value: number) => number;
  ticks: readonly Tick[];
}

export interface AxisWish {
  label: string;
  written: (value: number) => string;
  log?: boolean;
  /** From where to where; what is not said follows the data. */
  domain?: readonly [number | undefined, number | undefined];
  /** Where ticks stand, where that is given. */
  ticks?: readonly Tick[];
  /** Whether only whole numbers have a tick. */
  whole?: boolean;
}

/** The axis for `values` over the pixels `range`. */
export function axisOf(wish: AxisWish, values: readonly (number | null | undefined)[], range: Range): Axis {
  const finite = values.filter(
    (value): value is number => typeof value === 'number' && Number.isFinite(value),
  );
  if (wish.log) {
    const above = finite.filter((value) => value > 0);
    const low = wish.domain?.[0] ?? Math.min(...(above.length > 0 ? above : [1])) / 1.15;
    const high = wish.domain?.[1] ?? Math.max(...(above.length > 0 ? above : [10])) * 1.15;
    return {
      place: logarithmic([low, high], range),
      ticks: wish.ticks ?? written(logTicks(low, high), wish),
    };
  }
  const [from, to] = extent(finite);
  const domain: Range = [wish.domain?.[0] ?? from, wish.domain?.[1] ?? to];
  const placed = wish.whole ? wholeTicks(...domain) : ticks(...domain);
  return { place: linear(domain, range), ticks: wish.ticks ?? written(placed, wish) };
}

/** Ticks at whole numbers alone, at most five. */
function wholeTicks(low: number, high: number): number[] {
  const closer = ticks(low, high, 6);
  if (closer.length <= 5 && closer.every(Number.isInteger)) return closer;
  return ticks(low, high).filter(Number.isInteger);
}

function written(values: readonly number[], wish: AxisWish): Tick[] {
  return values.map((at) => ({ at, label: wish.written(at) }));
}

/** The ticks whose labels do not run into the next one's; a label is centred, but where that leaves the chart it ends there. */
export function apart(ticks: readonly Tick[], place: Place, letter: number, end: number): Tick[] {
  let free = Infinity;
  return ticks
    .toReversed()
    .filter(({ at, label }) => {
      const width = letter * label.length;
      const right = Math.min(place(at) + width / 2, end);
      if (right > free) return false;
      free = right - width - letter;
      return true;
    })
    .reverse();
}

type Place = (value: number) => number;

/** A line through the points in their order, broken where one has no number. */
export function linePath(points: readonly Point[], x: Place, y: Place): string {
  let pen = 'M';
  let path = '';
  for (const point of points) {
    if (point.y === null || !Number.isFinite(point.y)) {
      pen = 'M';
      continue;
    }
    path += `${pen}${x(point.x).toFixed(2)} ${y(point.y).toFixed(2)}`;
    pen = 'L';
  }
  return path;
}

/** The band between the ends of the points' intervals; empty where fewer than two have one. */
export function bandPath(points: readonly Point[], x: Place, y: Place): string {
  const wide = points.filter((point) => point.low !== undefined && point.high !== undefined);
  if (wide.length < 2) return '';
  const upper = wide.map((point) => `${x(point.x).toFixed(2)} ${y(point.high ?? 0).toFixed(2)}`);
  const lower = wide.map((point) => `${x(point.x).toFixed(2)} ${y(point.low ?? 0).toFixed(2)}`).reverse();
  return `M${[...upper, ...lower].join('L')}Z`;
}

const RADIUS = 3.5;

/** Whether a point has a place in a chart. */
export function isPlaced(point: Point | undefined): point is Point & { y: number } {
  return point !== undefined && point.y !== null && Number.isFinite(point.y);
}

/** All marks of a series as one path: hundreds of elements would make a page slow to follow what is filtered. */
export function marksPath({ points, look }: Pick<Series, 'points' | 'look'>, x: Place, y: Place): string {
  return points
    .filter(isPlaced)
    .map((point) => markPath(look.shape, x(point.x), y(point.y), point.r ?? RADIUS))
    .join('');
}

/** The intervals of all points as one path of upright lines. */
export function whiskersPath(points: readonly Point[], x: Place, y: Place): string {
  return points
    .filter((point) => isPlaced(point) && point.low !== undefined && point.high !== undefined)
    .map(
      (point) => `M${x(point.x).toFixed(2)} ${y(point.low ?? 0).toFixed(2)}V${y(point.high ?? 0).toFixed(2)}`,
    )
    .join('');
}

/** At most about `most` of the points: in every stretch the lowest and the highest, so that no spike is lost. */
export function thinned<T extends { y: number | null }>(points: readonly T[], most: number): T[] {
  if (points.length <= most) return [...points];
  const stretch = Math.ceil((2 * points.length) / most);
  const kept: T[] = [];
  for (let start = 0; start < points.length; start += stretch) {
    const part = points.slice(start, start + stretch);
    const known = part.filter((point) => point.y !== null && Number.isFinite(point.y));
    const lowest = known.reduce<T | null>((a, b) => (a === null || (b.y ?? 0) < (a.y ?? 0) ? b : a), null);
    const highest = known.reduce<T | null>((a, b) => (a === null || (b.y ?? 0) > (a.y ?? 0) ? b : a), null);
    kept.push(...part.filter((point) => point === lowest || point === highest || point.y === null));
  }
  return kept;
}

/** The point nearest to a place in pixels, or null where none is within `reach`. */
export function nearest(
  series: readonly Series[],
  x: Place,
  y: Place,
  at: readonly [number, number],
  reach: number,
): { series: number; point: number } | null {
  let best: { series: number; point: number } | null = null;
  let closest = reach ** 2;
  series.forEach((each, i) =>
    each.points.forEach((point, j) => {
      if (point.y === null) return;
      const distance = (x(point.x) - at[0]) ** 2 + (y(point.y) - at[1]) ** 2;
      if (distance <= closest) [closest, best] = [distance, { series: i, point: j }];
    }),
  );
  return best;
}

/** A name in at most `most` letters. */
export function short(name: string, most: number): string {
  return name.length > most ? `${name.slice(0, Math.max(1, most - 1))}…` : name;
}

/** A name in one line or two of at most `most` letters, broken between words where that is possible. */
export function wrapped(name: string, most: number): string[] {
  if (name.length <= most) return [name];
  const space = name.lastIndexOf(' ', most);
  const end = space > 0 ? space : most;
  return [name.slice(0, end), short(name.slice(end).trim(), most)];
}
