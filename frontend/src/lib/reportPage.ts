/** A dashboard as one HTML file that needs nothing else: no script, no link, no font from elsewhere. */
import type { Cell, Table } from './csv';

export interface ReportFigure {
  title: string;
  note: string;
  /** An SVG document, as `svgOf` draws it. */
  drawing: string;
  table: Table;
}

export interface Report {
  title: string;
  /** When it was made, in words. */
  made: string;
  /** What was shown: the filters, in words. */
  shown: string;
  methods: readonly string[];
  overview: Table;
  figures: readonly ReportFigure[];
  all: Table;
}

const STYLE = `
:root{color-scheme:light dark;font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
body{max-width:1000px;margin:32px auto;padding:0 20px;background:light-dark(#fff,#14161a);color:light-dark(#16191f,#e9ebef)}
h1{font-size:26px;line-height:32px;margin:0 0 4px}h2{font-size:19px;margin:36px 0 8px}figure{margin:24px 0;break-inside:avoid}
figcaption{color:light-dark(#545b68,#a9b0bd);font-size:13px;max-width:76ch}svg{max-width:100%;height:auto;background:#fff;border-radius:6px}
table{border-collapse:collapse;font-size:13px}.scroll{overflow-x:auto}th,td{padding:4px 12px 4px 0;border-bottom:1px solid light-dark(#dcdfe5,#30343c);text-align:left}
td.number{text-align:right}p{max-width:76ch;margin:8px 0}.muted{color:light-dark(#545b68,#a9b0bd)}summary{cursor:pointer;font-size:13px}
@media print{body{margin:0}details{display:none}}`;

/** The report as a document. Everything that comes from people or the lab is escaped. */
export function reportPage(report: Report): string {
  const figures = report.figures.map(
    ({ title, note, drawing, table }) =>
      `<figure>${drawing}<figcaption>${escaped(note)}</figcaption>` +
      `<details><summary>${escaped(title)}, as a table</summary>${tableOf(table)}</details></figure>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escaped(report.title)}</title><style>${STYLE}</style></head><body>
<h1>${escaped(report.title)}</h1>
<p class="muted">${escaped(report.made)} ${escaped(report.shown)}</p>
<h2>Methods</h2><p>${report.methods.map(escaped).join(' ')}</p>
<h2>Best results</h2>${tableOf(report.overview)}
<h2>Comparison</h2>
${figures.join('\n')}
<h2>All results</h2>${tableOf(report.all)}
</body></html>
`;
}

function tableOf({ head, rows }: Table): string {
  const heads = head.map((name) => `<th scope="col">${escaped(name)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map(cellOf).join('')}</tr>`).join('\n');
  return `<div class="scroll"><table><thead><tr>${heads}</tr></thead><tbody>\n${body}\n</tbody></table></div>`;
}

function cellOf(cell: Cell): string {
  if (cell === null) return '<td>–</td>';
  return typeof cell === 'number'
    ? `<td class="number">${Number(cell.toPrecision(5))}</td>`
    : `<td>${escaped(cell)}</td>`;
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => ENTITIES[letter] ?? letter);
}
