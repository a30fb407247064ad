/** Results as charts compare them: seeds of the same work together, with an interval, best first. */
import type { Table } from './csv';
import type { SplitName } from '../api/types';
import { lookOf, type Look } from './looks';
import { labelsText } from './methods';
import { figureOf, figureText, rangeTextOf, writtenAs, type Metric } from './metrics';
import { count, duration, type Interval } from './numbers';
import type { Row } from './measured';
import { meanOf, studentInterval } from './student';

/** The same work under one seed or several. */
export interface Cell {
  rows: readonly Row[];
  /** The row that stands for what they share. */
  first: Row;
  figure: Interval;
  /** Of each row, in their order. */
  values: readonly number[];
  seconds: number;
}

/** What is compared: which figure of which split. */
export interface Yardstick {
  metric: Metric;
  split: SplitName;
}

/** Rows whose figure was measured, by their work, the best first; the interval is Student's over seeds, or over images for one. */
export function cellsOf(rows: readonly Row[], yardstick: Yardstick): readonly Cell[] {
  // Every chart of a view asks for the same: of thousands of rows that is made once.
  const key = `${yardstick.metric.name} ${yardstick.split}`;
  const known = made.get(rows) ?? new Map<string, readonly Cell[]>();
  made.set(rows, known);
  const cells = known.get(key) ?? bestFirst(madeCells(rows, yardstick), yardstick.metric);
  known.set(key, cells);
  return cells;
}

const made = new WeakMap<readonly Row[], Map<string, readonly Cell[]>>();

function madeCells(rows: readonly Row[], { metric, split }: Yardstick): Cell[] {
  const cells = new Map<string, { row: Row; figure: Interval }[]>();
  for (const row of rows) {
    const figure = figureOf(row[split], metric.name);
    if (figure === null) continue;
    const known = cells.get(row.cell);
    if (known) known.push({ row, figure });
    else cells.set(row.cell, [{ row, figure }]);
  }
  return [...cells.values()].flatMap((members) => {
    const [first] = members;
    if (!first) return [];
    const values = members.map(({ figure }) => figure.value);
    return {
      rows: members.map(({ row }) => row),
      first: first.row,
      figure: held(studentInterval(values) ?? first.figure, metric),
      values,
      seconds: meanOf(members.map(({ row }) => row.seconds)),
    };
  });
}

/** An interval over seeds may leave what the figure can be: it ends there. */
function held({ value, low, high }: Interval, metric: Metric): Interval {
  const top = metric.name === 'log_loss' ? Infinity : 1;
  return { value, low: Math.max(0, low), high: Math.min(top, high) };
}

/** The better one first. */
function bestFirst(cells: readonly Cell[], metric: Metric): Cell[] {
  return [...cells].sort((a, b) => (metric.isRising ? 1 : -1) * (b.figure.value - a.figure.value));
}

/** Everything there is to say of a cell. */
export function sayAll(cell: Cell, { metric, split }: Yardstick): string {
  const { first, figure, rows } = cell;
  const range = rangeTextOf(metric, figure);
  const n = first[split]?.n;
  return [
    `${first.encoder}`,
    `${first.method}, ${labelsText(first.labels)}`,
    `${metric.title} ${figureText(metric, figure)}${range ? ` (${range})` : ''}`,
    `${split === 'test' ? 'test' : 'validation'}, n = ${count(n ?? 0)}, ${rows.length === 1 ? `seed ${first.seed}` : `${rows.length} seeds`}`,
    `${first.dataset}, ${duration(cell.seconds)}`,
  ].join('\n');
}

/** A look for every encoder, the same in all charts of a view. */
export function looksOf(rows: readonly Row[]): Map<string, Look> {
  const ids = [...new Set([...rows].sort((a, b) => a.createdAt - b.createdAt).map((row) => row.encoderId))];
  return new Map(ids.map((id, i) => [id, lookOf(i)]));
}

export interface Overview {
  dataset: string;
  datasetId: string;
  method: string;
  best: Cell;
}

/** The best of every data set and strategy. */
export function overviewOf(rows: readonly Row[], yardstick: Yardstick): Overview[] {
  const best = new Map<string, Overview>();
  for (const cell of cellsOf(rows, yardstick)) {
    const { datasetId, dataset, strategy, scratch, method } = cell.first;
    const key = `${datasetId} ${strategy} ${scratch}`;
    if (!best.has(key)) best.set(key, { dataset, datasetId, method, best: cell });
  }
  const place = (each: Overview): string =>
    `${each.dataset} ${each.best.first.scratch ? 1 : 0} ${each.best.first.strategy}`;
  return [...best.values()].sort((a, b) => (place(a) < place(b) ? -1 : 1));
}

/** A single seed beside the mean. */
export interface Dot {
  value: number;
  label: string;
  href: string;
}
/** A cell as a bar. */
export interface IntervalBar {
  key: string;
  name: string;
  look: Look;
  value: number;
  low: number;
  high: number;
  /** The value as it is written at the bar's end. */
  says: string;
  /** Everything there is to say of it. */
  label: string;
  href: string;
  dots: readonly Dot[];
}
/** Bars that stand together. */
export interface BarGroup {
  title: string;
  chance: number | null;
  bars: readonly IntervalBar[];
}

/** Bars of the best cells: grouped by method and labels, in each the encoders, best first; at most `most` in all. */
export function barsOf(
  rows: readonly Row[],
  yardstick: Yardstick,
  looks: ReadonlyMap<string, Look>,
  most: number,
): { groups: BarGroup[]; shown: number; all: number } {
  const { metric, split } = yardstick;
  const cells = cellsOf(rows, yardstick);
  const places = new Set(rows.map((row) => row.datasetId)).size;
  const shown = cells.slice(0, most);
  const groups = new Map<string, { chance: number | null; bars: IntervalBar[] }>();
  for (const cell of shown) {
    const { first, figure } = cell;
    const title = [
      first.method,
      ...(first.labels === '1' ? [] : [labelsText(first.labels)]),
      ...(places > 1 ? [first.dataset] : []),
    ].join(' · ');
    const group = groups.get(title) ?? { chance: metric.name === 'accuracy' ? first.chance : null, bars: [] };
    groups.set(title, group);
    const written = writtenAs(metric);
    group.bars.push({
      key: cell.first.cell,
      name: first.encoder,
      look: looks.get(first.encoderId) ?? lookOf(0),
      ...figure,
      says: figureText(metric, figure),
      label: sayAll(cell, yardstick),
      href: `/results/${first.id}`,
      dots:
        cell.rows.length < 2
          ? []
          : cell.rows.map((row, i) => ({
              value: cell.values[i] ?? 0,
              label: `Seed ${row.seed}: ${written(cell.values[i] ?? 0)}, ${split}`,
              href: `/results/${row.id}`,
            })),
    });
  }
  return {
    groups: [...groups].map(([title, { chance, bars }]) => ({ title, chance, bars })),
    shown: shown.length,
    all: cells.length,
  };
}

/** What stands behind the charts of cells, and what a spreadsheet gets. */
export function tableOf(rows: readonly Row[], yardstick: Yardstick): Table {
  const { metric, split } = yardstick;
  return {
    head: [
      'Image set',
      'Encoder',
      'Origin',
      'Strategy',
      'Labels',
      'Labels used',
      'Seeds',
      `${metric.title} (${split})`,
      'Low',
      'High',
      'Single seeds',
      'n',
      'Seconds',
    ],
    rows: cellsOf(rows, yardstick).map(({ first, figure, values, rows: members, seconds }) => [
      first.dataset,
      first.encoder,
      first.origin,
      first.method,
      labelsText(first.labels),
      first.labelsUsed,
      members.length,
      figure.value,
      figure.low,
      figure.high,
      values.length > 1 ? values.map((value) => value.toFixed(4)).join(' ') : '',
      first[split]?.n ?? null,
      Number(seconds.toFixed(1)),
    ]),
  };
}

/** From where to where an axis of figures goes: from zero, unless everything lies in the upper half. */
export function domainOf(cells: readonly Cell[], metric: Metric): [number, number] {
  const lows = cells.map(({ figure, values }) => Math.min(figure.low, ...values));
  const highs = cells.map(({ figure, values }) => Math.max(figure.high, ...values));
  const [low, high] = [Math.min(...lows, 1), Math.max(...highs, 0)];
  if (!metric.isRising) return [0, high > 0 ? high * 1.05 : 1];
  const from = low > 0.5 ? Math.floor(20 * (low - 0.02)) / 20 : 0;
  return [from, Math.min(1, Math.ceil(20 * high + 1e-9) / 20 || 1)];
}
