/** Results shaped for the table and the bars: one row a result, grouped by strategy, best first. */
import type { EncoderOrigin, ResultOut, Score, Strategy } from '../api/types';

export const STRATEGIES: readonly Strategy[] = ['knn', 'linear_probe', 'fine_tune'];

export const STRATEGY_NAME: Record<Strategy, string> = {
  knn: 'k-NN',
  linear_probe: 'Linear probe',
  fine_tune: 'Fine-tuning',
};

export const STRATEGY_WHY: Record<Strategy, string> = {
  knn: 'Vote of the nearest training images: nothing is trained, so it shows the space as it is.',
  linear_probe: 'Logistic regression on frozen features: what a straight cut can read from them.',
  fine_tune: 'Encoder and classifier trained together on labels: the features as a starting point.',
};

export const ORIGIN_NAME: Record<EncoderOrigin, string> = {
  pretrained: 'pretrained',
  untrained: 'untrained',
  imagenet: 'ImageNet',
  imported: 'imported',
  pixels: 'raw pixels',
};

export function scoreOf(result: ResultOut, split: Score['split']): Score | null {
  return result.scores.find((score) => score.split === split) ?? null;
}

/** What a result is ranked by: its test score, or the validation score where nothing was tested. */
export function leading(result: ResultOut): Score | null {
  return scoreOf(result, 'test') ?? scoreOf(result, 'val');
}

/** Strategies in their fixed order, each with its results, best first; strategies without results are left out. */
export function byStrategy(results: readonly ResultOut[]): { strategy: Strategy; results: ResultOut[] }[] {
  return STRATEGIES.map((strategy) => ({
    strategy,
    results: results
      .filter((result) => result.strategy === strategy)
      .sort((a, b) => (leading(b)?.accuracy ?? 0) - (leading(a)?.accuracy ?? 0)),
  })).filter((group) => group.results.length > 0);
}

/** Whether two 95 % intervals share a value: then the data do not tell the two apart. */
export function overlap(a: Score, b: Score): boolean {
  return a.accuracy_low <= b.accuracy_high && b.accuracy_low <= a.accuracy_high;
}

/** The end of an axis from zero that holds every interval and the chance of `results`: 25, 50, 75 or 100 %. */
export function axisTop(results: readonly ResultOut[]): number {
  const highest = Math.max(
    0,
    ...results.map((each) => Math.max(leading(each)?.accuracy_high ?? 0, each.chance)),
  );
  return Math.min(1, Math.ceil(4 * highest + 1e-9) / 4 || 1);
}
