/** What is said of an encoder's neighbours on a whole set. */
import type { Hubs, Retrieval } from '../api/retrieval';
import { count, counted, intervalText, percent, percentOf, percentWithin } from './numbers';
import { SPLIT_NAME } from './sets';

export interface RetrievalRow {
  name: string;
  value: number;
  low: number;
  high: number;
  said: string;
}

interface Mean {
  value: number;
  low: number | null;
  high: number | null;
}

// Skewness of the counts: were neighbours drawn at random, ten for each image, it would be 0.3.
const LEANING = 1;
const DOMINATED = 3;

/** Precision by k, the mean average precision last: each with its interval. */
export function precisionRows({ at, mean_average_precision }: Retrieval): RetrievalRow[] {
  const rows = at.map(({ k, precision }) => row(`precision@${k}`, precision));
  return [...rows, row('mean average precision', mean_average_precision)];
}

/** How often at least one of the k nearest is of the class, by k; among random ones that is more often than `chance`. */
export function recallRows({ at }: Retrieval): RetrievalRow[] {
  return at.map(({ k, recall }) => row(`recall@${k}`, recall));
}

function row(name: string, { value, low, high }: Mean): RetrievalRow {
  const interval = { value, low: low ?? value, high: high ?? value };
  return { name, ...interval, said: `${percentWithin(interval)} (${intervalText(interval)})` };
}

/** Who asked, among whom, and what guessing reaches. */
export function retrievalSaid({ queries, gallery, n, queries_of, gallery_n, chance }: Retrieval): string {
  const some = n < queries_of ? `, drawn of ${count(queries_of)}` : '';
  const asked = `${counted(n, 'image')} of ${SPLIT_NAME[queries]}${some}`;
  const others = queries === gallery ? 'the others' : SPLIT_NAME[gallery];
  return `${asked} among ${counted(gallery_n, 'image')} of ${others}; neighbours drawn at random: ${percent(chance, 1)}.`;
}

/** Whether a few images crowd out the others. */
export function hubsSaid({ k, n, of, skewness, hubs, orphans }: Hubs): string {
  const sample = n < of ? `Of ${count(n)} images, drawn of ${count(of)}` : `Of ${counted(n, 'image')}`;
  const most = hubs[0]?.occurrences ?? 0;
  const lean =
    skewness >= DOMINATED
      ? 'A few hubs crowd out the others'
      : skewness >= LEANING
        ? 'Some images are found more than others'
        : 'Images are found about alike';
  return (
    `${lean}: the greatest hub is among the ${k} nearest of ${counted(most, 'image')}, where ${k} is the mean. ` +
    `${sample}, ${percentOf(orphans / n, n)} are nobody's neighbour.`
  );
}
