import { describe, expect, it } from 'vitest';
import type { ResultOut } from '../../src/api/types';
import { barsOf, cellsOf, domainOf, looksOf, overviewOf, tableOf } from '../../src/lib/comparison';
import { depthSeries, labelSeries, leftOutText } from '../../src/lib/curves';
import { rowOf, type Row } from '../../src/lib/measured';
import { metricNamed } from '../../src/lib/metrics';
import { studentInterval } from '../../src/lib/student';
import { result } from '../fixtures/result';
import { scoreOf } from '../fixtures/score';

const yardstick = { metric: metricNamed('accuracy'), split: 'test' as const };
let made = 0;

function row(accuracy: number, config: Record<string, unknown>, changes: Partial<ResultOut> = {}): Row {
  const strategy = (config['strategy'] ?? 'fine_tune') as ResultOut['strategy'];
  const scores = [scoreOf('test', 100, accuracy, accuracy - 0.08, accuracy + 0.08)];
  return rowOf(result({ id: `r${made++}`, strategy, config: { strategy, ...config }, scores, ...changes }));
}

describe('seeds', () => {
  it('have the interval that SciPy gives', () => {
    // scipy.stats.t.interval(0.95, 2, loc=0.9, scale=scipy.stats.sem([0.88, 0.9, 0.92]))
    const interval = studentInterval([0.88, 0.9, 0.92]);
    expect(interval?.low).toBeCloseTo(0.850317, 5);
    expect(interval?.high).toBeCloseTo(0.949683, 5);
    // scipy.stats.t.ppf(0.975, 40) = 2.0210754
    const many = studentInterval(Array.from({ length: 41 }, (_, i) => (i % 2 === 0 ? 0 : 1)));
    const sd = Math.sqrt(((20 / 41) * (21 / 41) * 41) / 40);
    expect(((many?.high ?? 0) - (many?.value ?? 0)) / (sd / Math.sqrt(41))).toBeCloseTo(2.0210754, 2);
    expect(studentInterval([0.9])).toBeNull();
  });

  it('of the same work are one cell, and other work is another', () => {
    const rows = [
      row(0.8, { seed: 0, labels: { fraction: 0.1, seed: 0 } }),
      row(0.9, { seed: 1, labels: { fraction: 0.1, seed: 1 } }),
      row(0.7, { seed: 0, labels: { fraction: 0.5, seed: 0 } }),
      row(0.6, { seed: 0, labels: { fraction: 0.1, seed: 0 }, epochs: 3 }),
    ];
    const cells = cellsOf(rows, yardstick);
    expect(cells.map(({ values }) => values)).toEqual([[0.8, 0.9], [0.7], [0.6]]);
    expect(cells[0]?.figure.value).toBeCloseTo(0.85);
    expect(cells[0]?.figure.high).toBe(1); // Student's would go beyond what an accuracy can be
    expect(cells[1]?.figure).toEqual({ value: 0.7, low: 0.7 - 0.08, high: 0.7 + 0.08 });
  });

  it('of a figure that was not measured are left out', () => {
    expect(cellsOf([row(0.9, {})], { metric: metricNamed('auc'), split: 'test' })).toEqual([]);
  });
});

it('finds the best of every set and strategy; of an error the least', () => {
  const rows = [row(0.8, { epochs: 1 }), row(0.9, { epochs: 2 }), row(0.5, { strategy: 'knn' })];
  expect(overviewOf(rows, yardstick).map(({ best }) => best.figure.value)).toEqual([0.9, 0.5]);
  const errors = [0.3, 0.1, 0.2].map((log_loss, i) =>
    row(0.8, { epochs: i }, { scores: [{ ...scoreOf('test', 9, 0.8, 0.7, 0.9), log_loss }] }),
  );
  const metric = metricNamed('log_loss');
  expect(overviewOf(errors, { metric, split: 'test' })[0]?.best.figure.value).toBe(0.1);
});

describe('charts', () => {
  const DEPTHS = [0, 2, null].map((unfrozen_blocks, i) => row(0.7 + 0.1 * i, { unfrozen_blocks }));
  const looks = looksOf(DEPTHS);

  it('put the whole encoder beyond the most stages', () => {
    const [series] = depthSeries(DEPTHS, yardstick, looks).series;
    expect(series?.points.map(({ x }) => x)).toEqual([0, 2, 3]);
    expect(series?.points.map(({ y }) => y)).toEqual([0.7, expect.closeTo(0.8), expect.closeTo(0.9)]);
  });

  it('draw no curve through one point, and what is from scratch as nobody’s encoder', () => {
    expect(depthSeries(DEPTHS.slice(2), yardstick, looks)).toEqual({ series: [], all: 0 });
    const scratch = [10, 100].flatMap((labels_used) => [
      row(0.5, { start: 'scratch', labels: { shots: labels_used } }, { labels_used }),
      row(0.6, { labels: { shots: labels_used } }, { labels_used }),
    ]);
    const names = labelSeries(scratch, yardstick, looksOf(scratch)).series.map(({ name }) => name);
    expect(names).toEqual(['Beetles, 20 epochs, Fine-tuning', 'From scratch']);
  });

  it('say which curves they leave out, and never leave out the supervised baseline', () => {
    const rows = Array.from({ length: 12 }, (_, i) =>
      [10, 100].map((shots) =>
        row(
          i === 0 ? 0.3 : 0.5 + 0.02 * i,
          i === 0 ? { start: 'scratch', labels: { shots } } : { labels: { shots } },
          {
            labels_used: shots,
            encoder_id: `e${i}`,
            encoder_name: `Encoder ${i}`,
          },
        ),
      ),
    ).flat();
    const curves = labelSeries(rows, yardstick, looksOf(rows));
    expect(curves.series.map(({ name }) => name.split(',')[0])).toEqual(
      [11, 10, 9, 8, 7, 6, 5].map((i) => `Encoder ${i}`).concat('From scratch'),
    );
    expect(leftOutText(curves)).toContain('8 of 12 series');
    expect(leftOutText({ ...curves, all: 8 })).toBe('');
  });

  it('say how many bars are not shown, and draw seeds only where there are several', () => {
    const { groups, shown, all } = barsOf(
      [...DEPTHS, row(0.65, { unfrozen_blocks: 0, seed: 1 })],
      yardstick,
      looks,
      2,
    );
    expect([shown, all]).toEqual([2, 3]);
    expect(groups.flatMap(({ bars }) => bars.map(({ dots }) => dots.length))).toEqual([0, 0]);
    const every = barsOf([...DEPTHS, row(0.65, { unfrozen_blocks: 0, seed: 1 })], yardstick, looks, 9);
    expect(every.groups.at(-1)?.bars[0]?.dots.map(({ value }) => value)).toEqual([0.7, 0.65]);
  });

  it('begin at zero unless all lies in the upper half', () => {
    expect(domainOf(cellsOf(DEPTHS, yardstick), yardstick.metric)[0]).toBe(0.6);
    expect(domainOf(cellsOf([row(0.4, {})], yardstick), yardstick.metric)[0]).toBe(0);
  });

  it('have a row behind every cell', () => {
    expect(tableOf(DEPTHS, yardstick).rows.map((cells) => cells[3])).toEqual([
      'Fine-tuning',
      'Fine-tuning, last 2 stages',
      'Fine-tuning, head only',
    ]);
  });
});
