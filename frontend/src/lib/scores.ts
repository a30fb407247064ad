/** Strategies, origins and scores by name. */
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
