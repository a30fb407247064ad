/** Tables as people download them. */

export type Cell = string | number | null;

export interface Table {
  head: readonly string[];
  rows: readonly (readonly Cell[])[];
}

/** The table as CSV (RFC 4180), with a byte order mark so that spreadsheets read it as UTF-8. */
export function csvOf({ head, rows }: Table): string {
  return `\ufeff${[head, ...rows].map((row) => row.map(field).join(',')).join('\r\n')}\r\n`;
}

function field(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return String(cell);
  // A spreadsheet would take a name that begins so for a formula.
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A file's name from a title: lower case, words joined by hyphens. */
export function fileNameOf(title: string): string {
  const plain = title.normalize('NFKD').replace(/[\u0300-\u036f]/g, '');
  return (
    plain
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 80) || 'chart'
  );
}
