/** Results as the dashboards have them: one row each, with what tells it apart. */
import type { EncoderOrigin, ResultOut, Score } from '../api/types';
import { choicesOf, labelsText, methodText, type Choices } from './methods';

export interface Row extends Choices {
  id: string;
  jobId: string;
  encoderId: string;
  encoder: string;
  origin: EncoderOrigin;
  datasetId: string;
  dataset: string;
  /** `Fine-tuning, last 2 stages`. */
  method: string;
  /** Whether two rows with the same are one method under different seeds: encoder, set, every choice but the seed. */
  cell: string;
  /** Name that a person gave it, or empty. */
  name: string;
  tags: readonly string[];
  pinned: boolean;
  val: Score | null;
  test: Score | null;
  chance: number;
  seconds: number;
  labelsUsed: number | null;
  imagesSeen: number | null;
  createdAt: number;
  config: Record<string, unknown>;
  /** What a search looks through, in small letters. */
  text: string;
}

/** A network with new weights is nobody's encoder, whichever lent its architecture. */
export const NEW_WEIGHTS = 'New weights';

export function rowOf(result: ResultOut): Row {
  const config = result.config;
  const choices = choicesOf(config);
  const encoder = choices.scratch ? NEW_WEIGHTS : result.encoder_name;
  const method = methodText(choices);
  const row = {
    ...choices,
    id: result.id,
    jobId: result.job_id,
    encoderId: choices.scratch ? 'scratch' : result.encoder_id,
    encoder,
    origin: result.encoder_origin,
    datasetId: result.dataset_id,
    dataset: result.dataset_name,
    method,
    cell: JSON.stringify([result.dataset_id, choices.scratch ? '' : result.encoder_id, withoutSeed(config)]),
    name: result.name,
    tags: result.tags,
    pinned: result.pinned,
    val: result.scores.find(({ split }) => split === 'val') ?? null,
    test: result.scores.find(({ split }) => split === 'test') ?? null,
    chance: result.chance,
    seconds: result.seconds,
    labelsUsed: result.labels_used,
    imagesSeen: result.images_seen,
    createdAt: result.created_at,
    config,
  };
  const said = [
    row.name,
    encoder,
    row.dataset,
    method,
    labelsText(row.labels),
    `seed ${row.seed}`,
    ...row.tags,
  ];
  return { ...row, text: said.join(' ').toLowerCase() };
}

function withoutSeed(config: Record<string, unknown>): unknown {
  const labels = config['labels'] as Record<string, unknown> | undefined;
  const rest = Object.entries(config).filter(([name]) => name !== 'seed' && name !== 'labels');
  return [rest, labels?.['fraction'] ?? null, labels?.['shots'] ?? null];
}

/** What a row is called: by its person, or by what it did. */
export function titleOf(row: Row): string {
  return row.name || `${row.method} of ${row.encoder}`;
}
