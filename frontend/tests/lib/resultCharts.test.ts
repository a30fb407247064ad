import { describe, expect, it } from 'vitest';
import { heat, isLight } from '../../src/lib/heat';
import { pairedText } from '../../src/lib/paired';
import { cellNamed, confusedMost, reliabilitySeries, rocSeries } from '../../src/lib/resultCharts';
import { differences } from '../../src/lib/runDiff';
import { detailed } from '../fixtures/result';

const details = detailed().details[0];

describe('behind a result', () => {
  it('bins without images have no mark, and a mark’s area is its share of images', () => {
    if (!details) throw new Error('no details');
    const empty = { low: 0, high: 0.5, n: 0, confidence: null, accuracy: null };
    const [series] = reliabilitySeries({ ...details, reliability: [empty, ...details.reliability] });
    expect(series?.points.map(({ x, y }) => [x, y])).toEqual([
      [0.6, 0.5],
      [0.9, 0.95],
    ]);
    const [few, many] = (series?.points ?? []).map(({ r }) => (r ?? 0) - 3);
    expect((many ?? 0) ** 2 / (few ?? 1) ** 2).toBeCloseTo(2);
  });

  it('curves of the classes that are told apart worst are shown, in the class’s colour', () => {
    const per_class = ['a', 'b', 'c'].map((name, i) => ({
      name,
      n: 1,
      precision: 1,
      recall: 1,
      f1: 1,
      auc: 0.9 - i / 10,
    }));
    const roc = per_class.map(({ name }) => ({ name, fpr: [0, 1], tpr: [0, 1] }));
    if (!details) throw new Error('no details');
    const series = rocSeries({ ...details, per_class, roc }, 2);
    expect(series.map(({ name, look }) => [name, look.tone])).toEqual([
      ['c 0.700', 'class-2'],
      ['b 0.800', 'class-1'],
    ]);
  });

  it('of many classes those are shown that are mistaken most', () => {
    const confusion = [
      [9, 0, 0, 1],
      [0, 9, 0, 0],
      [0, 0, 5, 4],
      [2, 0, 3, 5],
    ];
    expect(confusedMost(confusion, 2)).toEqual({
      classes: [2, 3],
      confusion: [
        [5, 4],
        [3, 5],
      ],
    });
    expect(confusedMost(confusion, 4).confusion).toEqual(confusion);
  });
});

it('writes on every colour of a heat map in letters that can be read', () => {
  expect([heat(0), heat(1), heat(-1), heat(2)]).toEqual([
    'rgb(0, 32, 77)',
    'rgb(255, 234, 70)',
    'rgb(0, 32, 77)',
    'rgb(255, 234, 70)',
  ]);
  expect([isLight(0), isLight(1)]).toEqual([false, true]);
});

it('opens only a cell that there is', () => {
  expect(cellNamed('3-9', 10)).toEqual([3, 9]);
  for (const none of [null, '', '3', '3-10', '-1-2', '3-x']) expect(cellNamed(none, 10)).toBeNull();
});

it('says whether two results differ by more than chance', () => {
  const told = {
    split: 'test' as const,
    n: 100,
    first_accuracy: 0.9,
    second_accuracy: 0.8,
    is_auc_too_long: false,
    only_first: 14,
    only_second: 4,
    p: 0.0309,
    auc: null,
  };
  expect(pairedText(told)).toEqual([
    'Of 100 test images only A is right on 14, only B on 4. McNemar: p = 0.031; the difference is more than chance.',
  ]);
  expect(pairedText({ ...told, p: 0.5 })[0]).toContain('do not tell them apart');
  expect(pairedText({ ...told, p: 0.0004 })[0]).toContain('McNemar: p < 0.001;');
  expect(pairedText({ ...told, is_auc_too_long: true }).at(-1)).toContain('ROC-AUC was not compared');
});

it('lists the settings in which runs differ, and none in which they agree', () => {
  expect(
    differences([
      { epochs: 10, optim: { optimizer: 'sgd', momentum: 0.9 } },
      { epochs: 10, optim: { optimizer: 'adamw' } },
    ]),
  ).toEqual([
    { name: 'Optimisation: Optimizer', values: ['sgd', 'adamw'] },
    { name: 'Optimisation: Momentum', values: ['0.9', null] },
  ]);
});
