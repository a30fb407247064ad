/** A grid's cells as a matrix: a row per encoder and amount of labels, a column per method, in each the seeds. */
import type { GridCell, GridOut } from '../api/types';
import { choicesOf, labelsText, methodText } from './methods';
import { counted, duration, percentWithin } from './numbers';

export interface SeedCell {
  cell: GridCell;
  seed: number;
}

export interface MatrixRow {
  key: string;
  encoder: string;
  labels: string;
  /** By column, in the order of `columns`. */
  cells: SeedCell[][];
}

export interface Matrix {
  columns: string[];
  rows: MatrixRow[];
  /** Whether rows differ by their labels. */
  hasLabels: boolean;
}

export function matrixOf(cells: readonly GridCell[]): Matrix {
  const columns: string[] = [];
  const rows = new Map<string, MatrixRow>();
  for (const cell of cells) {
    const choices = choicesOf(cell.config);
    const method = methodText(choices);
    // A network with new weights is nobody's encoder, whichever lent its architecture.
    const encoder = choices.scratch ? 'New weights' : cell.encoder_name;
    if (!columns.includes(method)) columns.push(method);
    const key = `${choices.scratch ? '' : cell.encoder_id} ${encoder} ${choices.labels}`;
    const row = rows.get(key) ?? { key, encoder, labels: labelsText(choices.labels), cells: [] };
    rows.set(key, row);
    (row.cells[columns.indexOf(method)] ??= []).push({ cell, seed: choices.seed });
  }
  const filled = [...rows.values()].map((row) => ({
    ...row,
    cells: columns.map((_, i) => row.cells[i] ?? []),
  }));
  return { columns, rows: filled, hasLabels: new Set(filled.map((row) => row.labels)).size > 1 };
}

/** The score that a finished cell shows: of the test split, or of validation where nothing was tested. */
export function cellText(cell: GridCell): string {
  const score = cell.scores.find(({ split }) => split === 'test') ?? cell.scores[0];
  return score
    ? percentWithin({ value: score.accuracy, low: score.accuracy_low, high: score.accuracy_high })
    : cell.state;
}

export const CELL_MARK: Record<GridCell['state'], string> = {
  computed: '✓',
  missing: '?',
  queued: '○',
  running: '●',
  paused: '‖',
  failed: '✕',
  cancelled: '–',
};

/** How a grid stands, in a sentence. */
export function gridText(grid: GridOut): string {
  const { counts } = grid;
  const states = (['running', 'queued', 'paused', 'failed', 'cancelled', 'missing'] as const)
    .filter((state) => counts[state] > 0)
    .map((state) => `${counts[state]} ${state === 'queued' ? 'waiting' : state}`);
  const left =
    grid.is_over || grid.seconds_left === null || grid.seconds_left <= 0
      ? ''
      : `; about ${duration(grid.seconds_left)} of work waits`;
  return `${counts.computed} of ${counted(grid.cells, 'transfer')} done${states.length > 0 ? `, ${states.join(', ')}` : ''}${left}`;
}

/** What can be asked of a grid now. */
export function allowedOf(grid: GridOut): { pause: boolean; resume: boolean; cancel: boolean } {
  const { counts, desired, is_over } = grid;
  const isBroken = counts.failed + counts.cancelled + counts.missing > 0;
  return {
    pause: !is_over && desired === 'run',
    resume: desired !== 'run' ? counts.computed < grid.cells : isBroken,
    cancel: !is_over && desired !== 'cancel',
  };
}
