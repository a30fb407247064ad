/** The charts that are on the page now, so that a report can hold them as they are shown. */
import type { Table } from '../lib/csv';

export interface Figure {
  title: string;
  note: string;
  table: Table;
  /** Where it stands in the page. */
  element: HTMLElement;
  /** It as a drawing of its own. */
  draw: () => string;
}

let shown: readonly (() => Figure)[] = [];

/** Tells of a chart for as long as it is shown; returns how to withdraw it. */
export function tellFigure(figure: () => Figure): () => void {
  shown = [...shown, figure];
  return () => {
    shown = shown.filter((other) => other !== figure);
  };
}

/** Every chart inside `part` of the page, from top to bottom. */
export function figuresIn(part: HTMLElement): Figure[] {
  const isAfter = (a: Figure, b: Figure): number =>
    a.element.compareDocumentPosition(b.element) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1;
  return shown
    .map((figure) => figure())
    .filter(({ element }) => part.contains(element))
    .sort(isAfter);
}
