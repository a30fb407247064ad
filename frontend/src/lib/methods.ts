/** What was done, in the words of the page: a transfer's config as a method, an amount of labels and a seed. */
import type { Strategy } from '../api/types';
import { amountText } from './grid';
import { STRATEGY_NAME } from './scores';

/** The choices of a transfer that a grid varies. */
export interface Choices {
  strategy: Strategy;
  /** Whether it begins with new weights. */
  scratch: boolean;
  /** Stages trained from the last; null for everything. Of other strategies null too. */
  depth: number | null;
  /** As a grid's axis has it: `1`, `0.1`, `s10`. */
  labels: string;
  seed: number;
  /** What is told apart beside these: `SGD`, `z`, `block 2`. */
  special: string[];
}

type Json = Record<string, unknown>;

/** The choices that a stored config spells; what earlier versions did not have is as it was then. */
export function choicesOf(config: Json): Choices {
  const strategy = config['strategy'] as Strategy;
  const labels = (config['labels'] ?? {}) as Json;
  const scratch = config['start'] === 'scratch';
  const shots = labels['shots'];
  const special = [
    config['solver'] === 'sgd' && 'SGD',
    config['features'] === 'z' && 'on z',
    typeof config['block'] === 'number' && `after stage ${config['block']}`,
    config['freeze_batch_norm'] === true && 'batch norm frozen',
    typeof config['layer_decay'] === 'number' &&
      config['layer_decay'] < 1 &&
      `layer decay ${config['layer_decay']}`,
    config['class_weights'] === true && 'class weights',
  ].filter((part) => part !== false);
  return {
    strategy,
    scratch,
    depth:
      strategy === 'fine_tune' && typeof config['unfrozen_blocks'] === 'number'
        ? config['unfrozen_blocks']
        : null,
    labels: typeof shots === 'number' ? `s${shots}` : String(labels['fraction'] ?? 1),
    seed: Number(config['seed'] ?? labels['seed'] ?? 0),
    special,
  };
}

/** `Fine-tuning, last 2 stages`, `From scratch`, `Linear probe, SGD`. */
export function methodText({ strategy, scratch, depth, special }: Omit<Choices, 'labels' | 'seed'>): string {
  const own = scratch ? 'From scratch' : STRATEGY_NAME[strategy];
  return [own, strategy === 'fine_tune' && !scratch && depth !== null && depthText(depth), ...special]
    .filter((part) => part !== false)
    .join(', ');
}

/** `everything`, `last 2 stages`, `head only`. */
export function depthText(depth: number | null): string {
  if (depth === null) return 'everything';
  if (depth === 0) return 'head only';
  return depth === 1 ? 'last stage' : `last ${depth} stages`;
}

/** `all labels`, `10 % of labels`, `10 labels a class`. */
export function labelsText(labels: string): string {
  if (labels.startsWith('s')) return `${labels.slice(1)} labels a class`;
  return labels === '1' ? 'all labels' : `${amountText(labels)} of labels`;
}
