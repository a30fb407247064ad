/** The figures that a split's score has: what they are called, how they are written, which way is better. */
import type { Score } from '../api/types';
import { decimalsFor, type Interval } from './numbers';

export type MetricName =
  'accuracy' | 'balanced_accuracy' | 'auc' | 'macro_f1' | 'average_precision' | 'log_loss' | 'ece';

export interface Metric {
  name: MetricName;
  title: string;
  /** The same amid a sentence. */
  inText: string;
  /** Whether it is a share, written in percent. */
  isShare: boolean;
  /** Whether more is better. */
  isRising: boolean;
  /** What its interval over images is, where one split has one. */
  interval: string;
}

const NO_INTERVAL = 'it has no interval over images';

export const METRICS: readonly Metric[] = [
  {
    name: 'accuracy',
    title: 'Accuracy',
    inText: 'accuracy',
    isShare: true,
    isRising: true,
    interval: "Wilson's 95 % interval over images",
  },
  {
    name: 'auc',
    title: 'ROC-AUC',
    inText: 'ROC-AUC',
    isShare: false,
    isRising: true,
    interval: 'a 95 % bootstrap over images',
  },
  {
    name: 'balanced_accuracy',
    title: 'Balanced accuracy',
    inText: 'balanced accuracy',
    isShare: true,
    isRising: true,
    interval: NO_INTERVAL,
  },
  {
    name: 'macro_f1',
    title: 'Macro F1',
    inText: 'macro F1',
    isShare: false,
    isRising: true,
    interval: NO_INTERVAL,
  },
  {
    name: 'average_precision',
    title: 'Average precision',
    inText: 'average precision',
    isShare: false,
    isRising: true,
    interval: NO_INTERVAL,
  },
  {
    name: 'log_loss',
    title: 'Log-loss',
    inText: 'log-loss',
    isShare: false,
    isRising: false,
    interval: NO_INTERVAL,
  },
  {
    name: 'ece',
    title: 'Calibration error (ECE)',
    inText: 'calibration error',
    isShare: true,
    isRising: false,
    interval: NO_INTERVAL,
  },
];

export function metricNamed(name: string | null): Metric {
  return METRICS.find((metric) => metric.name === name) ?? (METRICS[0] as Metric);
}

/** The figure with its interval over images; both ends are the figure itself where there is none. Null where it was not measured. */
export function figureOf(score: Score | null, metric: MetricName): Interval | null {
  const value = score?.[metric] ?? null;
  if (score === null || value === null) return null;
  if (metric === 'accuracy') return { value, low: score.accuracy_low, high: score.accuracy_high };
  if (metric === 'auc') return { value, low: score.auc_low ?? value, high: score.auc_high ?? value };
  return { value, low: value, high: value };
}

/** A figure on an axis or in a list: no more digits than are asked for. */
export function writtenAs(metric: Metric, decimals = metric.isShare ? 1 : 2): (value: number) => string {
  return (value) =>
    metric.isShare ? `${Number((100 * value).toFixed(decimals))} %` : value.toFixed(Math.max(2, decimals));
}

/** A figure with the digits that its interval supports. */
export function figureText(metric: Metric, { value, low, high }: Interval): string {
  const half = (high - low) / 2;
  if (metric.isShare) return `${(100 * value).toFixed(decimalsFor(100 * half, 1))} %`;
  return value.toFixed(half > 0 ? Math.max(2, decimalsFor(half, 4)) : 3);
}

/** Its interval: `89–93` of percent, `0.971–0.983`; empty where there is none. */
export function rangeTextOf(metric: Metric, { low, high }: Interval): string {
  const half = (high - low) / 2;
  if (!(half > 0)) return '';
  const decimals = metric.isShare ? decimalsFor(100 * half, 1) : Math.max(2, decimalsFor(half, 4));
  const factor = metric.isShare ? 100 : 1;
  return `${(factor * low).toFixed(decimals)}–${(factor * high).toFixed(decimals)}`;
}
