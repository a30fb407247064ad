/** How numbers are written: with their unit, and never with more digits than their interval supports. */

export interface Interval {
  value: number;
  low: number;
  high: number;
}

/**
 * Decimals that an uncertainty supports: its first significant digit is the last one worth writing.
 *
 * ±2.3 gives 0, ±0.8 gives 1, ±0.04 gives 2; never more than `most`.
 */
export function decimalsFor(uncertainty: number, most = 2): number {
  if (!(uncertainty > 0) || !Number.isFinite(uncertainty)) return most;
  return Math.min(most, Math.max(0, -Math.floor(Math.log10(uncertainty))));
}

/** A share in [0, 1] as percent, with the digits its interval supports: `91 %`. */
export function percentWithin({ value, low, high }: Interval): string {
  return `${(100 * value).toFixed(decimalsFor((100 * (high - low)) / 2))} %`;
}

/** The interval itself, in percent, without the sign: `89–93`. */
export function intervalText({ low, high }: Interval): string {
  const decimals = decimalsFor((100 * (high - low)) / 2);
  return `${(100 * low).toFixed(decimals)}–${(100 * high).toFixed(decimals)}`;
}

/** A share in [0, 1] measured on `n` cases, with the digits that n supports (normal approximation at p = 0.5). */
export function percentOf(share: number, n: number): string {
  return `${(100 * share).toFixed(decimalsFor(n > 0 ? 98 / Math.sqrt(n) : 100))} %`;
}

/** A share in [0, 1] that was not measured, such as progress or chance: at most one decimal, and none when whole. */
export function percent(share: number, decimals = 0): string {
  return `${Number((100 * share).toFixed(decimals))} %`;
}

/** A count with thin groups: `8,000`. */
export function count(n: number): string {
  return format(Math.round(n));
}

// One formatter: making one for every number costs more than the number.
const { format } = new Intl.NumberFormat('en-GB');

/** A count and its noun: `1 image`, `8,000 images`. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** A stretch of time in its two largest units: `8 s`, `3 min`, `1 h 20 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '–';
  if (seconds < 1) return '< 1 s';
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return rest === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
}

/** A rate of images: `1,118 images/s`, `9.6 images/s`. */
export function rate(perSecond: number): string {
  return `${perSecond < 20 ? perSecond.toFixed(1) : count(perSecond)} images/s`;
}

/** A loss: three decimals, or what it is when it is no number. */
export function lossText(loss: number | null | undefined): string {
  return loss === null || loss === undefined || !Number.isFinite(loss) ? 'not a number' : loss.toFixed(3);
}

/** Bytes in the unit that fits: `3.2 MiB`. */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let value = n;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** How long ago a moment (UTC seconds) was: `just now`, `5 min ago`, `3 days ago`. */
export function ago(at: number, now: number): string {
  const seconds = Math.max(0, now - at);
  if (seconds < 45) return 'just now';
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}
