/** The methods paragraph of a report: what was measured, on what, how it was chosen, and what the intervals are. */
import type { DatasetOut, EncoderOrigin } from '../api/types';
import type { Yardstick } from './comparison';
import type { Row } from './measured';
import { depthText, labelsText } from './methods';
import { count, counted } from './numbers';

const ORIGIN_SENTENCE: Record<EncoderOrigin, string> = {
  pretrained: 'pretrained by contrastive learning without labels (SimCLR; Chen et al. 2020)',
  untrained: 'with random weights, the untrained baseline',
  imagenet: 'trained on ImageNet with labels',
  imported: "imported from another program's weights",
  pixels: 'the raw pixels, without any network',
};

/** Sentences in the order in which one would write them. */
export function methodsText(
  rows: readonly Row[],
  yardstick: Yardstick,
  sets: readonly DatasetOut[],
  version: string,
): string[] {
  if (rows.length === 0) return [];
  return [
    setsSentence(rows, sets),
    encodersSentence(rows),
    ...strategySentences(rows),
    labelsSentence(rows),
    'Whatever was chosen, such as regularisation, epoch or k, was chosen on the validation split; the test split was read once, with the final model.',
    intervalSentence(rows, yardstick),
    `Computed with SimCLR Lab ${version}.`,
  ].filter((sentence) => sentence !== '');
}

function setsSentence(rows: readonly Row[], sets: readonly DatasetOut[]): string {
  const names = new Map(rows.map((row) => [row.datasetId, row]));
  const said = [...names].map(([id, row]) => {
    const set = sets.find((each) => each.id === id);
    if (!set) return `${row.dataset} (test n = ${count(row.test?.n ?? 0)})`;
    const {
      train = 0,
      val = 0,
      test = 0,
    } = set.split_sizes as { train?: number; val?: number; test?: number };
    return (
      `${set.name} (${counted(set.classes.length, 'class', 'classes')}, ${set.image_size} × ${set.image_size} px, ` +
      `${count(train)} training, ${count(val)} validation and ${count(test)} test images, content ${set.content_hash.slice(0, 12)})`
    );
  });
  return `Images: ${listed(said)}.`;
}

function encodersSentence(rows: readonly Row[]): string {
  const known = new Map(rows.filter((row) => !row.scratch).map((row) => [row.encoder, row.origin]));
  const byOrigin = new Map<EncoderOrigin, string[]>();
  for (const [name, origin] of known) byOrigin.set(origin, [...(byOrigin.get(origin) ?? []), name]);
  if (byOrigin.size === 0) return '';
  return `Encoders: ${[...byOrigin].map(([origin, names]) => `${listed(names)}, ${ORIGIN_SENTENCE[origin]}`).join('; ')}.`;
}

function strategySentences(rows: readonly Row[]): string[] {
  const of = (test: (row: Row) => boolean): Row[] => rows.filter(test);
  const knn = of((row) => row.strategy === 'knn');
  const probe = of((row) => row.strategy === 'linear_probe' && row.config['solver'] !== 'sgd');
  const sgd = of((row) => row.strategy === 'linear_probe' && row.config['solver'] === 'sgd');
  const tuned = of((row) => row.strategy === 'fine_tune' && !row.scratch);
  const scratch = of((row) => row.scratch);
  return [
    knn.length > 0 &&
      `k-NN: a weighted vote of the ${either(knn, 'k')} training images nearest in cosine similarity of frozen features, temperature ${either(knn, 'temperature')} (Wu et al. 2018).`,
    probe.length > 0 &&
      'Linear probe: multinomial logistic regression on frozen features by L-BFGS, its L2 strength chosen on validation.',
    sgd.length > 0 &&
      `Linear probe by SGD: ${either(sgd, 'epochs')} epochs, learning rate ${either(sgd, 'learning_rate')}, momentum ${either(sgd, 'momentum')}, batches of ${either(sgd, 'batch_size')}.`,
    tuned.length > 0 &&
      `Fine-tuning: ${listed([...new Set(tuned.map((row) => depthText(row.depth)))])} trained with AdamW for ${either(tuned, 'epochs')} epochs, learning rate ${either(tuned, 'learning_rate')}, batches of ${either(tuned, 'batch_size')}, layer decay ${either(tuned, 'layer_decay')}.`,
    scratch.length > 0 &&
      `From scratch: the same network with new random weights, trained on the labels alone for ${either(scratch, 'epochs')} epochs.`,
  ].filter((sentence) => sentence !== false);
}

function labelsSentence(rows: readonly Row[]): string {
  const amounts = [...new Set(rows.map((row) => row.labels))];
  if (amounts.length === 1 && amounts[0] === '1') return 'Every training label was used.';
  return `Training labels were used in these amounts: ${listed(amounts.map(labelsText))}; validation and test kept all of theirs.`;
}

function intervalSentence(rows: readonly Row[], { metric }: Yardstick): string {
  const seeds = [...new Set(rows.map((row) => row.seed))].sort((a, b) => a - b);
  const over =
    seeds.length > 1
      ? `Work repeated under several of the seeds ${listed(seeds.map(String))} is given as mean with Student's 95 % interval over seeds; what has one seed`
      : `Under one seed (${seeds[0] ?? 0}), every figure`;
  const own = metric.interval.startsWith('it has') ? 'has none' : `has ${metric.interval}`;
  return `Intervals: ${over} ${own} of the split.`;
}

/** Every value that a choice has among the rows: `10`, or `10 or 25`. */
function either(rows: readonly Row[], name: string): string {
  const values = [...new Set(rows.map((row) => row.config[name]).filter((value) => value !== undefined))];
  return values.length > 0 ? listed(values.map(String), 'or') : 'the usual';
}

export function listed(parts: readonly string[], word = 'and'): string {
  if (parts.length < 2) return parts[0] ?? '';
  return `${parts.slice(0, -1).join(', ')} ${word} ${parts.at(-1)}`;
}
