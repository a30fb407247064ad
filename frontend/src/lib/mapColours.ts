/** What the points of a map are coloured by, as bytes. */
import type { MapColour } from '../api/maps';
import { heat } from './heat';

export type Rgb = readonly [number, number, number];

export interface Palette {
  /** Ten, the same on every page. */
  classes: readonly Rgb[];
  /** Of what has no value. */
  none: Rgb;
  bad: Rgb;
  /** Under the points. */
  ground: Rgb;
}

const FAINT = 40;
const CLEAR = 215;

/** `#rgb`, `#rrggbb`, `rgb(…)` and `rgba(…)` as three bytes; black where it is something else. */
export function parseRgb(text: string): Rgb {
  const short = /^#([0-9a-f]{3})$/i.exec(text.trim())?.[1];
  const long = short ? [...short].map((c) => c + c).join('') : /^#([0-9a-f]{6})/i.exec(text.trim())?.[1];
  if (long) return [0, 2, 4].map((at) => parseInt(long.slice(at, at + 2), 16)) as unknown as Rgb;
  const parts = (text.match(/[\d.]+/g) ?? []).map(Number);
  return [parts[0] ?? 0, parts[1] ?? 0, parts[2] ?? 0];
}

/** The lowest and highest value; null without any. */
export function rangeOf(values: ArrayLike<number>): [number, number] | null {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] ?? NaN;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return high >= low ? [low, high] : null;
}

/** How many points have which value, -1 for those without one. */
export function countsOf(values: Iterable<number>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** RGBA of every point; those outside of `chosen`, where something is chosen, are faint. */
export function bytesOf(
  values: ArrayLike<number>,
  colour: Pick<MapColour, 'kind' | 'name'>,
  palette: Palette,
  chosen: ReadonlySet<number>,
): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const range = colour.kind === 'measure' ? rangeOf(values) : null;
  const scale = range ? Array.from({ length: 256 }, (_, i) => parseRgb(heat(i / 255))) : [];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] ?? NaN;
    let rgb = palette.none;
    if (range && Number.isFinite(value)) {
      const share = range[1] > range[0] ? (value - range[0]) / (range[1] - range[0]) : 0.5;
      rgb = scale[Math.round(255 * share)] ?? palette.none;
    } else if (!range && value >= 0) rgb = ofKind(value, colour.name, palette);
    bytes[4 * i] = rgb[0];
    bytes[4 * i + 1] = rgb[1];
    bytes[4 * i + 2] = rgb[2];
    bytes[4 * i + 3] = chosen.size > 0 && !chosen.has(i) ? FAINT : CLEAR;
  }
  return bytes;
}

/** The colour of a class or kind; what is wrong is shown in the colour of what is bad. */
export function ofKind(value: number, name: string, palette: Palette): Rgb {
  if (name === 'error') return value === 1 ? palette.bad : palette.none;
  return palette.classes[value % palette.classes.length] ?? palette.none;
}

export function cssOf([red, green, blue]: Rgb): string {
  return `rgb(${red}, ${green}, ${blue})`;
}

/** What an image has by the colours of now, in words. */
export function valueText(value: number | undefined, colour: Pick<MapColour, 'kind' | 'values'>): string {
  if (value === undefined || Number.isNaN(value) || (colour.kind !== 'measure' && value < 0)) return 'none';
  return colour.kind === 'measure'
    ? String(Number(value.toPrecision(3)))
    : (colour.values[value] ?? String(value));
}
