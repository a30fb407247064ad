/** Which results are shown and how, as the address has it. */
import type { SplitName, Strategy } from '../api/types';
import { methodText } from './methods';
import { figureOf, metricNamed, type Metric } from './metrics';
import type { Row } from './measured';
import { listOf } from './routes';
import { STRATEGIES } from './scores';

export type SortKey = 'newest' | 'score' | 'encoder' | 'dataset' | 'method' | 'labels' | 'seed' | 'time';
export type GroupKey = 'none' | 'dataset' | 'encoder' | 'method' | 'labels' | 'tag';

export const SORTS: readonly SortKey[] = [
  'newest',
  'score',
  'encoder',
  'dataset',
  'method',
  'labels',
  'seed',
  'time',
];
export const GROUPS: readonly [GroupKey, string][] = [
  ['none', 'nothing'],
  ['dataset', 'image set'],
  ['encoder', 'encoder'],
  ['method', 'strategy'],
  ['labels', 'labels'],
  ['tag', 'tag'],
];
export const PER_PAGE = 25;

export interface View {
  dataset: string | null;
  encoders: readonly string[];
  strategies: readonly string[];
  text: string;
  tag: string | null;
  pinned: boolean;
  grid: string | null;
  metric: Metric;
  split: SplitName;
  sort: SortKey;
  /** Whether the order is turned around. */
  turned: boolean;
  group: GroupKey;
  page: number;
  chosen: readonly string[];
}

export function viewOf(query: URLSearchParams): View {
  const sort = query.get('sort');
  const group = query.get('group');
  return {
    dataset: query.get('dataset'),
    encoders: listOf(query, 'encoders'),
    strategies: listOf(query, 'strategies'),
    text: query.get('q') ?? '',
    tag: query.get('tag'),
    pinned: query.get('pinned') === '1',
    grid: query.get('grid'),
    metric: metricNamed(query.get('metric')),
    split: query.get('split') === 'val' ? 'val' : 'test',
    sort: SORTS.find((each) => each === sort) ?? 'newest',
    turned: query.get('turned') === '1',
    group: GROUPS.find(([each]) => each === group)?.[0] ?? 'none',
    page: Math.max(1, Number(/^\d{1,6}$/.exec(query.get('page') ?? '')?.[0] ?? 1)),
    chosen: listOf(query, 'chosen'),
  };
}

/** What narrows the view: none of it is set in a view of everything. */
export const NARROWING = ['dataset', 'encoders', 'strategies', 'q', 'tag', 'pinned', 'grid', 'page'] as const;

/** What `filtered` looks at, as one value: the same for two views that show the same rows. */
export function narrowingOf({ dataset, encoders, strategies, text, tag, pinned, grid }: View): string {
  return JSON.stringify([dataset, encoders, strategies, text, tag, pinned, grid]);
}

/** How a strategy is called in the address: one that begins with new weights is another. */
export function strategyKey(row: { strategy: Strategy; scratch: boolean }): string {
  return row.scratch ? 'scratch' : row.strategy;
}

export const STRATEGY_KEYS: readonly [string, string][] = [
  ...STRATEGIES.map((strategy): [string, string] => [
    strategy,
    methodText({ strategy, scratch: false, depth: null, special: [] }),
  ]),
  ['scratch', 'From scratch'],
];

/** The rows that the view shows; `ofGrid` holds the results of its grid, where it names one. */
export function filtered(rows: readonly Row[], view: View, ofGrid: readonly string[] | null): Row[] {
  const ids = ofGrid === null ? null : new Set(ofGrid);
  const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter(
    (row) =>
      (view.dataset === null || row.datasetId === view.dataset) &&
      (view.encoders.length === 0 || view.encoders.includes(row.encoderId)) &&
      (view.strategies.length === 0 || view.strategies.includes(strategyKey(row))) &&
      (view.tag === null || row.tags.includes(view.tag)) &&
      (!view.pinned || row.pinned) &&
      (ids === null || ids.has(row.id)) &&
      words.every((word) => row.text.includes(word)),
  );
}

/** Rows in the view's order; what is pinned stands first, what was not measured last. */
export function sorted(rows: readonly Row[], view: View): Row[] {
  const turn = view.turned ? -1 : 1;
  const name = view.metric.name;
  const better = view.metric.isRising ? -1 : 1;
  const score = (row: Row): number | null => figureOf(row[view.split], name)?.value ?? null;
  const share = (row: Row): number =>
    row.labels.startsWith('s') ? Number(row.labels.slice(1)) : 1e6 * Number(row.labels);
  const orders: Record<SortKey, (a: Row, b: Row) => number> = {
    newest: (a, b) => b.createdAt - a.createdAt,
    score: (a, b) => better * ((score(a) ?? 0) - (score(b) ?? 0)),
    encoder: (a, b) => compare(a.encoder, b.encoder),
    dataset: (a, b) => compare(a.dataset, b.dataset),
    method: (a, b) => compare(a.method, b.method),
    labels: (a, b) => share(a) - share(b),
    seed: (a, b) => a.seed - b.seed,
    time: (a, b) => a.seconds - b.seconds,
  };
  const order = orders[view.sort];
  const unknown = (row: Row): number => (view.sort === 'score' && score(row) === null ? 1 : 0);
  return [...rows].sort(
    (a, b) =>
      Number(b.pinned) - Number(a.pinned) ||
      unknown(a) - unknown(b) ||
      turn * order(a, b) ||
      (a.id < b.id ? 1 : -1),
  );
}

// One collator: making one for every comparison costs more than the comparison.
const { compare } = new Intl.Collator('en', { numeric: true });

export interface RowGroup {
  title: string;
  rows: readonly Row[];
}

/** Sorted rows in groups, in the order in which their first rows stand; a row with several tags stands under each. */
export function grouped(rows: readonly Row[], { group }: View): RowGroup[] {
  if (group === 'none') return [{ title: '', rows }];
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const titles = group === 'tag' ? (row.tags.length > 0 ? row.tags : ['without a tag']) : [row[group]];
    for (const title of titles) {
      const known = groups.get(title);
      if (known) known.push(row);
      else groups.set(title, [row]);
    }
  }
  return [...groups].map(([title, members]) => ({ title, rows: members }));
}
