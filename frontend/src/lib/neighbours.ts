/** How the hits of several encoders for one query agree: sets of neighbours, and the ranks of those that are shared. */

/** Where an image stands that another column also found. */
export interface Shared {
  /** Places of the other columns that found it, in their order. */
  columns: number[];
  /** By how many ranks it stands nearer here than in the first column; null where that one has not got it, or is this one. */
  shift: number | null;
}

/**
 * The share of two sets' members that are in both: |A ∩ B| / |A ∪ B|; 1 for two empty sets.
 *
 * Source: Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x.
 */
export function jaccard(one: readonly number[], other: readonly number[]): number {
  const [first, second] = [new Set(one), new Set(other)];
  const union = new Set([...first, ...second]).size;
  return union === 0 ? 1 : sharedCount(one, other) / union;
}

/** How many members two lists have in common. */
export function sharedCount(one: readonly number[], other: readonly number[]): number {
  const second = new Set(other);
  return new Set(one.filter((each) => second.has(each))).size;
}

/** By how many ranks each shared image stands nearer in `hits` than in `reference`: above 0 is nearer. */
export function rankShifts(reference: readonly number[], hits: readonly number[]): Map<number, number> {
  const before = new Map(reference.map((image, rank) => [image, rank]));
  return new Map(
    hits.flatMap((image, rank): [number, number][] => {
      const was = before.get(image);
      return was === undefined ? [] : [[image, was - rank]];
    }),
  );
}

/** For every column, by image: in which other columns it stands too, and its shift from the first. */
export function linked(columns: readonly (readonly number[] | null)[]): Map<number, Shared>[] {
  return columns.map((hits, place) => {
    const reference = place > 0 ? columns[0] : null;
    const shifts = reference && hits ? rankShifts(reference, hits) : new Map<number, number>();
    return new Map(
      (hits ?? []).map((image) => {
        const others = columns.flatMap((other, i) => (i !== place && other?.includes(image) ? [i] : []));
        return [image, { columns: others, shift: shifts.get(image) ?? null }];
      }),
    );
  });
}

/** A shift as a mark: `▲3` nearer, `▼2` farther, `=` at the same rank. */
export function shiftMark(shift: number): string {
  if (shift === 0) return '=';
  return shift > 0 ? `▲${shift}` : `▼${-shift}`;
}

/** The same in words, for those who do not see it. */
export function shiftText(shift: number, reference: string): string {
  if (shift === 0) return `at the same rank as in ${reference}`;
  const ranks = Math.abs(shift) === 1 ? '1 rank' : `${Math.abs(shift)} ranks`;
  return `${ranks} ${shift > 0 ? 'nearer' : 'farther'} than in ${reference}`;
}

interface Labelled {
  index: number;
  label: number | null;
}

/** Of the labelled hits, how many are of a class; the image that the query is made of, where there is one, does not count. */
export function agreement(
  hits: readonly Labelled[],
  label: number | null,
  own: number | null = null,
): { agreeing: number; labelled: number } | null {
  if (label === null) return null;
  const labelled = hits.filter((hit) => hit.label !== null && hit.index !== own);
  if (labelled.length === 0) return null;
  return { agreeing: labelled.filter((hit) => hit.label === label).length, labelled: labelled.length };
}

/** Decimals, two to four, by which the scores of hits can be told apart: near 1, two would make all of them 1.00. */
export function decimalsApart(scores: readonly number[]): number {
  const told = (decimals: number): number => new Set(scores.map((score) => score.toFixed(decimals))).size;
  const distinct = new Set(scores).size;
  return [2, 3].find((decimals) => 2 * told(decimals) > distinct) ?? 4;
}
