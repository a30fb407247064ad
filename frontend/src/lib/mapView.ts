/** Which part of a map is in sight: from the map's coordinates to pixels and back, and the moves of a hand. */

/** `x` and `y` of the map lie in the middle of the sight; a unit of the map is `scale` pixels. The map's y points up. */
export interface View {
  x: number;
  y: number;
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

const MARGIN_PX = 24;
const FURTHEST = 1e5;

/** The edges of what a map shows. */
export interface Extent {
  left: number;
  right: number;
  low: number;
  high: number;
}

/** The edges of points, given as x and y in turn, outliers and all, and of what was there before. */
export function extentOf(points: Float32Array, before: Extent | null = null): Extent {
  let { left, right, low, high } = before ?? {
    left: Infinity,
    right: -Infinity,
    low: Infinity,
    high: -Infinity,
  };
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = [points[i] ?? 0, points[i + 1] ?? 0];
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < low) low = y;
    if (y > high) high = y;
  }
  return { left, right, low, high };
}

/** The view that shows all of it. */
export function fitted({ left, right, low, high }: Extent, { width, height }: Size): View {
  if (!(right >= left)) return { x: 0, y: 0, scale: 1 };
  const room = (pixels: number): number => Math.max(1, pixels - 2 * MARGIN_PX);
  const scale = Math.min(
    room(width) / Math.max(right - left, 1e-6),
    room(height) / Math.max(high - low, 1e-6),
  );
  return { x: (left + right) / 2, y: (low + high) / 2, scale: Math.min(scale, FURTHEST) };
}

export function toPixels(view: View, { width, height }: Size, x: number, y: number): [number, number] {
  return [width / 2 + (x - view.x) * view.scale, height / 2 - (y - view.y) * view.scale];
}

export function fromPixels(view: View, { width, height }: Size, px: number, py: number): [number, number] {
  return [view.x + (px - width / 2) / view.scale, view.y - (py - height / 2) / view.scale];
}

export function panned(view: View, dx: number, dy: number): View {
  return { ...view, x: view.x - dx / view.scale, y: view.y + dy / view.scale };
}

/** Larger by `factor`, with the place under the pixel staying where it is. */
export function zoomed(view: View, size: Size, px: number, py: number, factor: number): View {
  const scale = Math.min(FURTHEST, Math.max(1e-3, view.scale * factor));
  const [x, y] = fromPixels(view, size, px, py);
  return {
    x: x - (px - size.width / 2) / scale,
    y: y + (py - size.height / 2) / scale,
    scale,
  };
}

type Place = readonly [x: number, y: number];

/** One finger went `from` a pixel `to` another, a second one lies `still`: the map follows their middle, and grows with their distance. */
export function pinched(view: View, size: Size, still: Place, from: Place, to: Place): View {
  const apart = ([x, y]: Place): number => Math.max(1, Math.hypot(x - still[0], y - still[1]));
  const moved = panned(view, (to[0] - from[0]) / 2, (to[1] - from[1]) / 2);
  return zoomed(moved, size, (to[0] + still[0]) / 2, (to[1] + still[1]) / 2, apart(to) / apart(from));
}

const STEP_PX = 60;
const STEP = 1.3;

/** What a key does to the view; null when it does nothing. */
export function afterKey(view: View, size: Size, key: string): View | null {
  const middle = [size.width / 2, size.height / 2] as const;
  switch (key) {
    case 'ArrowLeft':
      return panned(view, STEP_PX, 0);
    case 'ArrowRight':
      return panned(view, -STEP_PX, 0);
    case 'ArrowUp':
      return panned(view, 0, STEP_PX);
    case 'ArrowDown':
      return panned(view, 0, -STEP_PX);
    case '+':
    case '=':
      return zoomed(view, size, ...middle, STEP);
    case '-':
      return zoomed(view, size, ...middle, 1 / STEP);
    default:
      return null;
  }
}

/** As it stands in an address: to a tenth of a pixel. */
export function viewText({ x, y, scale }: View): string {
  const digits = Math.max(0, Math.ceil(Math.log10(scale)) + 1);
  return [...[x, y].map((part) => Number(part.toFixed(digits))), Number(scale.toPrecision(6))].join(',');
}

/** The same read back; null where it is none. */
export function viewFrom(text: string | null): View | null {
  const [x = NaN, y = NaN, scale = NaN, ...more] = (text ?? '').split(',').map(Number);
  const isView =
    more.length === 0 && Number.isFinite(x) && Number.isFinite(y) && scale > 0 && scale <= FURTHEST;
  return isView ? { x, y, scale } : null;
}
