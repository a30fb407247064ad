/** What is found and how it is compared on the Search page, as the address has it. */
import type { Engine, Metric, SearchRequest } from '../api/search';
import type { Split } from '../api/types';
import type { Column } from './columns';
import { countOf } from './routes';
import { SPLITS } from './sets';

export interface SearchSettings {
  k: number;
  /** Null for all. */
  split: Split | null;
  label: number | null;
  metric: Metric;
  engine: Engine;
  /** Without exact duplicates. */
  isDistinct: boolean;
}

export const MOST_HITS = 200;
const USUAL_HITS = 12;
const ENGINES = ['exact', 'hnsw', 'pgvector'] as const;

export function settingsOf(query: URLSearchParams): SearchSettings {
  return {
    k: Math.min(MOST_HITS, Math.max(1, countOf(query, 'k', USUAL_HITS))),
    split: SPLITS.find((each) => each === query.get('split')) ?? null,
    label: countOf(query, 'class', null),
    metric: query.get('metric') === 'euclidean' ? 'euclidean' : 'cosine',
    engine: ENGINES.find((each) => each === query.get('engine')) ?? 'auto',
    isDistinct: query.get('distinct') !== null,
  };
}

/** What a column is asked. */
export function requestOf(
  { isDistinct, ...settings }: SearchSettings,
  { encoder, features }: Column,
  datasetId: string,
): SearchRequest {
  return {
    encoder_id: encoder,
    dataset_id: datasetId,
    features,
    ...settings,
    or_fewer: true,
    exclude_duplicates: isDistinct,
  };
}
