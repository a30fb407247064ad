/** What stands behind one result, shaped for its charts: learning curves, ROC, reliability, the confused classes. */
import type { EpochScore, SplitDetails } from '../api/types';
import type { Table } from './csv';
import { lookOf, lookOfClass } from './looks';
import { counted, percent, percentOf } from './numbers';
import type { Series } from './plot';

/** The ROC curves of a split; of many classes those that are told apart worst, at most `most`. */
export function rocSeries(details: SplitDetails, most = 6): Series[] {
  const aucs = new Map(details.per_class.map(({ name, auc }) => [name, auc]));
  const curves = [...details.roc]
    .sort((a, b) => (aucs.get(a.name) ?? 1) - (aucs.get(b.name) ?? 1))
    .slice(0, most);
  return curves.map(({ name, fpr, tpr }) => {
    const auc = aucs.get(name);
    const title = auc == null ? name : `${name} ${auc.toFixed(3)}`;
    return {
      name: title,
      look: lookOfClass(
        Math.max(
          0,
          details.per_class.findIndex((each) => each.name === name),
        ),
      ),
      joined: true,
      marked: false,
      points: fpr.map((x, i) => ({
        x,
        y: tpr[i] ?? null,
        label: `${title}\ntrue positive rate ${percent(tpr[i] ?? 0, 1)}\nfalse positive rate ${percent(x, 1)}`,
      })),
    };
  });
}

export function rocTable(details: SplitDetails): Table {
  return {
    head: ['Class', 'False positive rate', 'True positive rate'],
    rows: details.roc.flatMap(({ name, fpr, tpr }) => fpr.map((x, i) => [name, x, tpr[i] ?? null])),
  };
}

/** Accuracy against confidence, a mark per bin whose area says how many images are in it. */
export function reliabilitySeries(details: SplitDetails): Series[] {
  const all = details.reliability.reduce((sum, { n }) => sum + n, 0);
  const points = details.reliability
    .filter(({ n, confidence, accuracy }) => n > 0 && confidence !== null && accuracy !== null)
    .map(({ n, confidence, accuracy, low, high }) => ({
      x: confidence ?? 0,
      y: accuracy,
      r: 3 + 11 * Math.sqrt(n / Math.max(1, all)),
      label:
        `${counted(n, 'image')} with confidence ${percent(low)} to ${percent(high)}\n` +
        `confidence ${percent(confidence ?? 0, 1)} on average\nright ${percentOf(accuracy ?? 0, n)}`,
    }));
  return [{ name: '', look: lookOf(0), joined: true, marked: true, points }];
}

export function reliabilityTable(details: SplitDetails): Table {
  return {
    head: ['Confidence from', 'to', 'Images', 'Mean confidence', 'Accuracy'],
    rows: details.reliability.map(({ low, high, n, confidence, accuracy }) => [
      low,
      high,
      n,
      confidence,
      accuracy,
    ]),
  };
}

/** One figure of every epoch of a training on labels. */
export function curveOf(
  curve: readonly EpochScore[],
  of: 'loss' | 'val_accuracy',
  written: (value: number) => string,
): Series[] {
  const points = curve.map((epoch) => {
    const value = epoch[of];
    return {
      x: epoch.epoch,
      y: value,
      label: `epoch ${epoch.epoch}\n${value === null ? 'not a number' : written(value)}`,
    };
  });
  return [{ name: '', look: lookOf(0), joined: true, marked: points.length <= 60, points }];
}

export function curveTable(curve: readonly EpochScore[]): Table {
  return {
    head: ['Epoch', 'Loss', 'Validation accuracy'],
    rows: curve.map(({ epoch, loss, val_accuracy }) => [epoch, loss, val_accuracy]),
  };
}

/** Truth and answer as an address names them, `3-5`; null where it names no cell of so many classes. */
export function cellNamed(text: string | null, classes: number): readonly [number, number] | null {
  const found = /^(\d{1,6})-(\d{1,6})$/.exec(text ?? '');
  const cell = [Number(found?.[1]), Number(found?.[2])] as const;
  return cell.every((each) => each < classes) ? cell : null;
}

export interface Confused {
  /** Positions of the shown classes among all. */
  classes: number[];
  confusion: number[][];
}

/** The part of a confusion matrix that is shown: all of it, or the `most` classes that are mistaken most often. */
export function confusedMost(confusion: readonly (readonly number[])[], most: number): Confused {
  const all = confusion.map((_, i) => i);
  const wrong = (i: number): number =>
    all.reduce((sum, j) => sum + (j === i ? 0 : (confusion[i]?.[j] ?? 0) + (confusion[j]?.[i] ?? 0)), 0);
  const classes =
    all.length <= most
      ? all
      : [...all]
          .sort((a, b) => wrong(b) - wrong(a))
          .slice(0, most)
          .sort((a, b) => a - b);
  return { classes, confusion: classes.map((i) => classes.map((j) => confusion[i]?.[j] ?? 0)) };
}
