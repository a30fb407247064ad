/** From the shown results to what a report holds of them. */
import type { DatasetOut } from '../api/types';
import { overviewOf, type Yardstick } from './comparison';
import type { Table } from './csv';
import { titleOf, type Row } from './measured';
import { labelsText } from './methods';
import { listed, methodsText } from './methodsText';
import { figureOf, figureText, rangeTextOf } from './metrics';
import { counted, duration } from './numbers';
import type { Report, ReportFigure } from './reportPage';
import { STRATEGY_KEYS, type View } from './resultView';

export interface HandIn {
  rows: readonly Row[];
  yardstick: Yardstick;
  sets: readonly DatasetOut[];
  version: string;
  figures: readonly ReportFigure[];
  /** When it is made. */
  at: Date;
  /** Filters in words, or empty. */
  narrowed: string;
}

export function reportOf({ rows, yardstick, sets, version, figures, at, narrowed }: HandIn): Report {
  const names = [...new Set(rows.map((row) => row.dataset))];
  return {
    title: `Transfer on ${names.slice(0, 3).join(', ')}${names.length > 3 ? ' and others' : ''}`,
    made: `Made on ${at.toISOString().slice(0, 16).replace('T', ' ')} UTC.`,
    shown: `${counted(rows.length, 'result')}${narrowed ? `, narrowed to ${narrowed}` : ''}.`,
    methods: methodsText(rows, yardstick, sets, version),
    overview: overviewTable(rows, yardstick),
    figures,
    all: allTable(rows, yardstick),
  };
}

/** What narrows the view, in words; empty where nothing does. */
export function narrowedText(view: View, rows: readonly Row[], gridName: string | null): string {
  const encoders = new Map(rows.map((row) => [row.encoderId, row.encoder]));
  const strategies = new Map(STRATEGY_KEYS);
  const parts = [
    view.dataset !== null && (rows.find((row) => row.datasetId === view.dataset)?.dataset ?? 'one image set'),
    view.grid !== null && `the grid ${gridName ?? ''}`.trim(),
    view.encoders.length > 0 && listed(view.encoders.map((id) => encoders.get(id) ?? id)),
    view.strategies.length > 0 && listed(view.strategies.map((key) => strategies.get(key) ?? key)),
    view.tag !== null && `the tag ${view.tag}`,
    view.pinned && 'what is pinned',
    view.text !== '' && `what says "${view.text}"`,
  ];
  return parts.filter((part) => part !== false).join('; ');
}

function overviewTable(rows: readonly Row[], yardstick: Yardstick): Table {
  const { metric, split } = yardstick;
  return {
    head: [
      'Image set',
      'Strategy',
      `${metric.title} (${split})`,
      '95 % interval',
      'Encoder',
      'Seeds',
      'n',
      'Time',
    ],
    rows: overviewOf(rows, yardstick).map(({ dataset, method, best }) => [
      dataset,
      best.first.labels === '1' ? method : `${method}, ${labelsText(best.first.labels)}`,
      figureText(metric, best.figure),
      rangeTextOf(metric, best.figure) || null,
      best.first.encoder,
      best.rows.length,
      best.first[split]?.n ?? null,
      duration(best.seconds),
    ]),
  };
}

function allTable(rows: readonly Row[], yardstick: Yardstick): Table {
  const { metric, split } = yardstick;
  return {
    head: ['Result', 'Image set', 'Labels', 'Seed', `${metric.title} (${split})`, '95 % interval', 'Time'],
    rows: rows.map((row) => {
      const figure = figureOf(row[split], metric.name);
      return [
        titleOf(row),
        row.dataset,
        labelsText(row.labels),
        row.seed,
        figure ? figureText(metric, figure) : null,
        figure ? rangeTextOf(metric, figure) || null : null,
        duration(row.seconds),
      ];
    }),
  };
}
