/** How much a map lies, in sentences. */
import type { MapFigures, MapOut } from '../api/maps';
import { count } from './numbers';

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** The two figures in short; null where the set was too small to tell. */
export function qualityText({ trustworthiness, overlap }: MapFigures): string | null {
  if (trustworthiness === null || overlap === null) return null;
  return `trustworthiness ${trustworthiness.toFixed(3)} · ${percent(overlap)} of neighbours kept`;
}

/** What stands behind them. */
export function qualityWhy(figures: MapFigures, n: number): string {
  const { k, sampled, overlap, by_chance, explained } = figures;
  const told =
    k === null || sampled === null || overlap === null || by_chance === null
      ? 'The set has too few images to tell how much this map lies.'
      : 'Two dimensions cannot hold the distances of many, so the map lies a little. Trustworthiness is 1 when nobody is ' +
        `near in the map who is not near in the space itself. Of an image's ${k} nearest in the space, ${percent(overlap)} ` +
        `are among its ${k} nearest in the map (${percent(by_chance)} in a random one), by ` +
        `${sampled < n ? `a sample of ${count(sampled)} of ${count(n)}` : `all ${count(n)}`} images. Lines lead to the ` +
        'true neighbours.';
  if (!explained) return told;
  const both = (explained[0] ?? 0) + (explained[1] ?? 0);
  return `${told} The two axes show ${percent(both)} of the space's variance.`;
}

/** `UMAP, 15 neighbours, seed 0`. */
export function methodText({ method, config }: Pick<MapOut, 'method' | 'config'>): string {
  return method === 'pca' ? 'PCA' : `UMAP, ${config.neighbours} neighbours, seed ${config.seed}`;
}
