/** Results as curves: against the depth of fine-tuning, the number of labels, the time that it took. */
import { cellsOf, sayAll, type Cell, type Yardstick } from './comparison';
import { lookOf, type Look } from './looks';
import { labelsText } from './methods';
import type { Row } from './measured';
import type { Series } from './plot';

/** Series that a chart draws, of `all` that it could. */
export interface Curves {
  series: Series[];
  all: number;
}

const MOST_SERIES = 8; // more are not told apart

/** What a chart of such series has to say of those that it leaves out; empty where it has them all. */
export function leftOutText({ series, all }: Curves): string {
  return series.length < all
    ? `${series.length} of ${all} series are drawn: narrow the view to see others.`
    : '';
}

/** Series of cells, the best first, by their encoder and what else tells them apart; of many those with the best points. */
function seriesOf(
  cells: readonly Cell[],
  yardstick: Yardstick,
  looks: ReadonlyMap<string, Look>,
  by: {
    key: (row: Row) => string;
    x: (cell: Cell) => number | null;
    joined: boolean;
    fewest: number;
    /** Whether a series is what others are held against: the best of these is never left out. */
    isYardstick?: (row: Row) => boolean;
  },
): Curves {
  const series = new Map<string, { look: Look; cells: [number, Cell][] }>();
  for (const cell of cells) {
    const x = by.x(cell);
    if (x === null) continue;
    const name = by.key(cell.first);
    const known = series.get(name) ?? { look: looks.get(cell.first.encoderId) ?? lookOf(0), cells: [] };
    series.set(name, known);
    // Of two that stand at the same place, the better one was first.
    if (!by.joined || known.cells.every(([at]) => at !== x)) known.cells.push([x, cell]);
  }
  const drawable = [...series].filter(([, { cells: members }]) => members.length >= by.fewest);
  const kept = drawable.slice(0, MOST_SERIES);
  const held = drawable.find(
    ([
      ,
      {
        cells: [member],
      },
    ]) => member && by.isYardstick?.(member[1].first),
  );
  if (held && !kept.includes(held)) kept.splice(-1, 1, held);
  const uses = new Map<Look, number>();
  return {
    all: drawable.length,
    series: kept.map(([name, { look, cells: members }]) => ({
      name,
      look: again(look, uses),
      joined: by.joined,
      marked: true,
      points: members
        .sort(([a], [b]) => a - b)
        .map(([x, cell]) => ({
          x,
          y: cell.figure.value,
          low: cell.figure.low,
          high: cell.figure.high,
          // Made for the one that is pointed at, not for hundreds.
          get label() {
            return sayAll(cell, yardstick);
          },
          href: `/results/${cell.first.id}`,
        })),
    })),
  };
}

/** The look under another pattern, where a chart has it already: an encoder keeps its hue. */
function again(look: Look, uses: Map<Look, number>): Look {
  const use = uses.get(look) ?? 0;
  uses.set(look, use + 1);
  return use === 0 ? look : { ...lookOf(Number(look.tone.slice(5)) + 2 * use), tone: look.tone };
}

/** Where the whole encoder stands on the axis of depths: one beyond the most stages that were trained. */
export function wholeOf(rows: readonly Row[]): number {
  return 1 + Math.max(0, ...rows.map(({ depth }) => depth ?? 0));
}

/** Score against how many stages were fine-tuned, a series per encoder. */
export function depthSeries(
  rows: readonly Row[],
  yardstick: Yardstick,
  looks: ReadonlyMap<string, Look>,
): Curves {
  const isTuned = (row: Row): boolean => row.strategy === 'fine_tune' && !row.scratch;
  const tuned = rows.filter(isTuned);
  const whole = wholeOf(rows);
  const cells = cellsOf(rows, yardstick).filter(({ first }) => isTuned(first));
  return seriesOf(cells, yardstick, looks, {
    key: apart(tuned, (row) => [row.encoder, ...row.special]),
    x: (cell) => cell.first.depth ?? whole,
    joined: true,
    fewest: 2,
  });
}

/** Score against how many labels were used, a series per encoder and method. */
export function labelSeries(
  rows: readonly Row[],
  yardstick: Yardstick,
  looks: ReadonlyMap<string, Look>,
): Curves {
  return seriesOf(cellsOf(rows, yardstick), yardstick, looks, {
    key: apart(
      rows,
      (row) => (row.scratch ? ['From scratch', ...row.special] : [row.encoder, row.method]),
      false,
    ),
    x: (cell) => cell.first.labelsUsed,
    joined: true,
    fewest: 2,
    isYardstick: (row) => row.scratch,
  });
}

/** Score against the minutes that the transfer took, a mark per cell. */
export function costSeries(
  rows: readonly Row[],
  yardstick: Yardstick,
  looks: ReadonlyMap<string, Look>,
): Curves {
  return seriesOf(cellsOf(rows, yardstick), yardstick, looks, {
    key: (row) => row.encoder,
    x: (cell) => (cell.seconds > 0 ? cell.seconds / 60 : null),
    joined: false,
    fewest: 1,
  });
}

/** A series' name: its parts, with set and labels where rows differ in them. */
function apart(
  rows: readonly Row[],
  parts: (row: Row) => readonly string[],
  withLabels = true,
): (row: Row) => string {
  const sets = new Set(rows.map((row) => row.datasetId)).size > 1;
  const labels = withLabels && new Set(rows.map((row) => row.labels)).size > 1;
  return (row) =>
    [...parts(row), ...(labels ? [labelsText(row.labels)] : []), ...(sets ? [row.dataset] : [])].join(', ');
}

/** The rows that a chart of series shows, so that its table holds the same. */
export function shownIn(series: readonly Series[], rows: readonly Row[]): Row[] {
  const leads = new Set(series.flatMap(({ points }) => points.map(({ href }) => href)));
  const cells = new Set(rows.filter((row) => leads.has(`/results/${row.id}`)).map((row) => row.cell));
  return rows.filter((row) => cells.has(row.cell));
}
