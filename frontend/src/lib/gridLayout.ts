/** Where the images of a long grid lie, and where keys lead in it. */

export interface GridLayout {
  columns: number;
  /** Side of an image, in px. */
  cell: number;
  /** From row to row, in px. */
  pitch: number;
  rows: number;
  total: number;
}

export const GAP = 4;
/** Rows that one canvas draws. */
export const BAND_ROWS = 8;

/** As many columns of about `wanted` px as fit, at least four; cells are whole pixels, so that rows stay crisp. */
export function layoutOf(width: number, total: number, wanted = 52): GridLayout {
  const columns = Math.max(4, Math.floor((width + GAP) / (wanted + GAP)));
  const cell = Math.max(8, Math.floor((width - GAP * (columns - 1)) / columns));
  return { columns, cell, pitch: cell + GAP, rows: Math.ceil(total / columns), total };
}

/** The first and the last row in sight; last < first for an empty grid. */
export function rowsInSight(
  layout: GridLayout,
  top: number,
  height: number,
): { first: number; last: number } {
  const last = Math.min(layout.rows - 1, Math.ceil((top + height) / layout.pitch));
  return { first: Math.max(0, Math.min(Math.floor(top / layout.pitch), last)), last };
}

/**
 * The band that each canvas draws: those in sight and one more. A band keeps its canvas as long as it is drawn, so that a canvas
 * changes only when its band has gone; null for one that has nothing to draw.
 */
export function bandOfCanvas(layout: GridLayout, top: number, height: number): (number | null)[] {
  const pitch = BAND_ROWS * layout.pitch;
  const n = Math.ceil(height / pitch) + 2;
  const from = Math.max(0, Math.floor((top - layout.pitch) / pitch));
  return Array.from({ length: n }, (_, canvas) => {
    const band = from + ((((canvas - from) % n) + n) % n);
    return band * BAND_ROWS < layout.rows ? band : null;
  });
}

/** The image at a point of the grid, or null between and beyond them. */
export function placeAt(layout: GridLayout, x: number, y: number): number | null {
  const column = Math.floor(x / layout.pitch);
  const row = Math.floor(y / layout.pitch);
  const inside = x % layout.pitch < layout.cell && y % layout.pitch < layout.cell;
  const place = row * layout.columns + column;
  return inside && column >= 0 && column < layout.columns && place >= 0 && place < layout.total
    ? place
    : null;
}

/** Where a key leads from `place`, or null when it means nothing here. `page` is the number of rows in sight. */
export function placeAfter(
  key: string,
  withControl: boolean,
  place: number,
  layout: GridLayout,
  page: number,
): number | null {
  const { columns, total } = layout;
  const inColumn = (rows: number): number => {
    const row = Math.floor(place / columns) + rows;
    const kept = Math.max(0, Math.min(layout.rows - 1, row)) * columns + (place % columns);
    return kept < total ? kept : total - 1;
  };
  const begin = place - (place % columns);
  const moves: Record<string, () => number> = {
    ArrowLeft: () => place - 1,
    ArrowRight: () => place + 1,
    ArrowUp: () => inColumn(-1),
    ArrowDown: () => inColumn(1),
    PageUp: () => inColumn(-page),
    PageDown: () => inColumn(page),
    Home: () => (withControl ? 0 : begin),
    End: () => (withControl ? total - 1 : begin + columns - 1),
  };
  const move = moves[key];
  return move && total > 0 ? Math.max(0, Math.min(total - 1, move())) : null;
}

/** How far to scroll so that a row is wholly in sight; `top` itself when it is. */
export function scrollTopFor(layout: GridLayout, row: number, top: number, height: number): number {
  const from = row * layout.pitch;
  if (from < top) return from;
  return Math.max(top, from + layout.cell - height);
}
