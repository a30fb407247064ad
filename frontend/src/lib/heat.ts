/** Colours of heat maps: cividis, whose lightness rises evenly, also for those who do not see red and green apart. */

// Stops of matplotlib's cividis (Nuñez et al. 2018, doi:10.1371/journal.pone.0199239) at sixths.
const STOPS = [
  [0, 32, 77],
  [38, 61, 108],
  [87, 92, 109],
  [124, 123, 120],
  [163, 156, 116],
  [208, 190, 88],
  [255, 234, 70],
] as const;

/** The colour of a share in [0, 1]. */
export function heat(share: number): string {
  const [red, green, blue] = mixed(share);
  return `rgb(${red}, ${green}, ${blue})`;
}

/** Whether dark letters are read better on it than light ones. */
export function isLight(share: number): boolean {
  const [red, green, blue] = mixed(share).map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  // Where the contrast with black exceeds that with white (WCAG 2.2, relative luminance).
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179;
}

function mixed(share: number): [number, number, number] {
  const at = Math.min(1, Math.max(0, share)) * (STOPS.length - 1);
  const i = Math.min(STOPS.length - 2, Math.floor(at));
  const [from, to] = [STOPS[i] ?? STOPS[0], STOPS[i + 1] ?? STOPS[0]];
  const part = (k: 0 | 1 | 2): number => Math.round(from[k] + (at - i) * (to[k] - from[k]));
  return [part(0), part(1), part(2)];
}
