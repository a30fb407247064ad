/** The saved epochs of a run as the Search page follows them. */
import type { EncoderOut, SearchOut } from '../api/types';
import { isEmbedded, type Features } from './columns';
import { agreement } from './neighbours';

/** The pretraining of which an encoder is a state, at its end or before. */
export function runOf({ job_id, run_id }: EncoderOut): string | null {
  return job_id ?? run_id;
}

/** Those states of a run whose epoch is known and that have embedded a set, one for each epoch. */
export function embeddedStates(
  states: readonly EncoderOut[],
  datasetId: string,
  features: Features = 'h',
): EncoderOut[] {
  return dated(states).filter((state) => isEmbedded(state, features, datasetId));
}

/** Those that have not. */
export function missingStates(
  states: readonly EncoderOut[],
  datasetId: string,
  features: Features = 'h',
): EncoderOut[] {
  return dated(states).filter((state) => !isEmbedded(state, features, datasetId));
}

function dated(states: readonly EncoderOut[]): EncoderOut[] {
  const epochs = states.map(({ epoch }) => epoch);
  return states.filter(({ epoch }, i) => epoch !== null && epochs.indexOf(epoch) === i);
}

/** `untrained`, `epoch 1`, `epoch 50`. */
export function epochText(epoch: number): string {
  return epoch === 0 ? 'untrained' : `epoch ${epoch}`;
}

export interface CoursePoint {
  id: string;
  epoch: number;
  /** Share of labelled hits of the query's class; null while it is not known, or has no meaning. */
  share: number | null;
}

/** How often the neighbours share the query's class, by epoch. */
export function courseOf(
  states: readonly EncoderOut[],
  answerOf: (id: string) => SearchOut | null,
  label: number | null,
  own: number | null,
): CoursePoint[] {
  return states.map(({ id, epoch }) => {
    const found = agreement(answerOf(id)?.hits ?? [], label, own);
    return { id, epoch: epoch ?? 0, share: found ? found.agreeing / found.labelled : null };
  });
}

/** Where a point of the course is drawn: epochs evenly, as they are saved more densely at the beginning. */
export function placeOf(
  i: number,
  n: number,
  share: number,
  width: number,
  height: number,
): [number, number] {
  const margin = 6;
  const x = n > 1 ? margin + (i / (n - 1)) * (width - 2 * margin) : width / 2;
  return [x, height - margin - share * (height - 2 * margin)];
}
