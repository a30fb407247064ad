/** A square cut out of a picture: where it is, in whole pixels of that picture, and how it is moved. */

export interface Box {
  left: number;
  top: number;
  side: number;
}

export interface Size {
  width: number;
  height: number;
}

/** The smallest square worth asking about, in pixels. */
export const SMALLEST = 2;
const WRITTEN = /^(\d{1,5}),(\d{1,5}),(\d{1,5})$/;

/** The box of an address, `left,top,side`, or null where there is none. */
export function boxOf(text: string | null): Box | null {
  const found = WRITTEN.exec(text ?? '');
  if (!found) return null;
  return { left: Number(found[1]), top: Number(found[2]), side: Number(found[3]) };
}

export function boxText({ left, top, side }: Box): string {
  return `${left},${top},${side}`;
}

/** The box brought into the picture: whole pixels, no larger than its shorter side. */
export function within(box: Box, { width, height }: Size): Box {
  const side = clamp(Math.round(box.side), Math.min(SMALLEST, width, height), Math.min(width, height));
  return {
    left: clamp(Math.round(box.left), 0, width - side),
    top: clamp(Math.round(box.top), 0, height - side),
    side,
  };
}

/** What a person starts from: the middle, half as wide as the shorter side. */
export function middle(size: Size): Box {
  const side = Math.min(size.width, size.height) / 2;
  return within({ left: (size.width - side) / 2, top: (size.height - side) / 2, side }, size);
}

/** The square between where a drag began and where it is, in the picture's pixels; its longer way counts. */
export function dragged(from: [number, number], to: [number, number], size: Size): Box {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const [right, below] = [dx >= 0, dy >= 0];
  const room = Math.min(right ? size.width - from[0] : from[0], below ? size.height - from[1] : from[1]);
  const side = Math.max(Math.min(Math.max(Math.abs(dx), Math.abs(dy)), room), SMALLEST);
  return within(
    { left: right ? from[0] : from[0] - side, top: below ? from[1] : from[1] - side, side },
    size,
  );
}

/** Arrow keys move the box, + and − change its side about its middle; null for other keys. */
export function pressed(box: Box, key: string, isLarge: boolean, size: Size): Box | null {
  const step = Math.max(1, Math.round((Math.min(size.width, size.height) / 32) * (isLarge ? 4 : 1)));
  const by = (left: number, top: number, side = 0): Box =>
    within({ left: box.left + left, top: box.top + top, side: box.side + side }, size);
  switch (key) {
    case 'ArrowLeft':
      return by(-step, 0);
    case 'ArrowRight':
      return by(step, 0);
    case 'ArrowUp':
      return by(0, -step);
    case 'ArrowDown':
      return by(0, step);
    case '+':
    case '=':
      return by(-step, -step, 2 * step);
    case '-':
    case '_':
      return by(step, step, -2 * step);
    default:
      return null;
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), Math.max(low, high));
}
