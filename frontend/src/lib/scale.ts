/** Chart arithmetic: from data to pixels, and where the ticks stand. */

export type Range = readonly [number, number];

/** The straight map from `domain` to `range`; an empty domain maps to the middle of the range. */
export function linear(domain: Range, range: Range): (value: number) => number {
  const [from, to] = domain;
  const [start, end] = range;
  if (to === from) return () => (start + end) / 2;
  return (value) => start + ((value - from) / (to - from)) * (end - start);
}

/** Round values from `low` to `high`, at most `most` of them, in steps of 1, 2, 2.5 or 5 times a power of ten. */
export function ticks(low: number, high: number, most = 5): number[] {
  if (!Number.isFinite(low) || !Number.isFinite(high) || high < low) return [];
  if (high === low) return [low];
  const step = niceStep((high - low) / (most - 1));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => clean((first + i) * step));
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((candidate) => candidate * power >= rough * (1 - 1e-9)) ?? 10;
  return step * power;
}

/** Without the dust of floating point: 0.30000000000000004 is 0.3. */
function clean(value: number): number {
  return Number(value.toPrecision(12));
}

/** The range of `values` with `margin` (a share of it) on both sides; non-finite values are left out. */
export function extent(values: readonly (number | null | undefined)[], margin = 0.05): Range {
  const finite = values.filter(
    (value): value is number => typeof value === 'number' && Number.isFinite(value),
  );
  if (finite.length === 0) return [0, 1];
  let low = Infinity;
  let high = -Infinity;
  for (const value of finite) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const pad = (high - low || Math.abs(high) || 1) * margin;
  return [low - pad, high + pad];
}

/** The logarithmic map from `domain`, both ends above zero, to `range`. */
export function logarithmic([from, to]: Range, range: Range): (value: number) => number {
  const straight = linear([Math.log(from), Math.log(to)], range);
  return (value) => straight(Math.log(value));
}

/** Values 1, 2 or 5 times a power of ten from `low` (above zero) to `high`: the coarsest choice that gives two or more, at most `most`. */
export function logTicks(low: number, high: number, most = 5): number[] {
  if (!(low > 0) || !Number.isFinite(high) || high < low) return [];
  const from = Math.floor(Math.log10(low)) - 1;
  const powers = Array.from({ length: Math.ceil(Math.log10(high)) - from + 2 }, (_, i) => from + i);
  const within = (steps: readonly number[]): number[] =>
    powers
      .flatMap((power) => steps.map((step) => clean(step * 10 ** power)))
      .filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
  const fine = [[1, 2, 5], [1, 3], [1]].map(within).find((found) => found.length <= most) ?? within([1]);
  if (fine.length < 2) return ticks(low, high, most);
  const every = Math.ceil(fine.length / most);
  return fine.filter((_, i) => i % every === 0);
}

/** `places` moved apart until neighbours are `gap` from each other, in their order, within `range` where there is room. */
export function spreadApart(places: readonly number[], gap: number, [start, end]: Range): number[] {
  const order = places.map((_, i) => i).sort((a, b) => (places[a] ?? 0) - (places[b] ?? 0));
  const moved = [...places];
  let last = -Infinity;
  for (const i of order) {
    last = Math.max(places[i] ?? 0, last + gap, start);
    moved[i] = last;
  }
  let next = Infinity;
  for (const i of order.toReversed()) {
    next = Math.min(moved[i] ?? 0, next - gap, end);
    moved[i] = next;
  }
  return moved;
}
