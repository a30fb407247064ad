/** The saved epochs of a run: as the Search page follows them, and as they are chosen wherever encoders are. */
import type { CheckpointOut, EncoderOut, SearchOut } from '../api/types';
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

/** Saved epochs of one run that no list shows. */
export interface RunEpochs {
  run: string;
  name: string;
  states: EncoderOut[];
}

/** The saved epochs of the runs that some encoders are of, each run once; those of no list alone, and not those `taken`. */
export function runEpochs(
  encoders: readonly EncoderOut[],
  statesOf: (encoder: EncoderOut) => readonly EncoderOut[],
  taken: readonly string[],
): RunEpochs[] {
  const found = new Map<string, RunEpochs>();
  for (const encoder of encoders) {
    const [run, all] = [runOf(encoder), statesOf(encoder)];
    const states = dated(all).filter(({ id, listed }) => !listed && !taken.includes(id));
    if (run === null || states.length === 0) continue;
    const name = all.find(({ job_id }) => job_id === run)?.name ?? encoder.name;
    found.set(run, { run, name, states });
  }
  return [...found.values()];
}

/** A state of a pretraining of which no encoder is listed yet: a saved epoch, or a kept checkpoint. */
export interface KeptState {
  job_id: string;
  /** Of the encoder at its end. */
  name: string;
  step: number;
  epoch: number;
  knn_accuracy: number | null;
}

/** What a pretraining and those that it continues have kept, by training; a saved epoch that is a checkpoint too comes once. */
export function keptStates(
  { job_id, name }: { job_id: string; name: string },
  checkpoints: readonly CheckpointOut[],
  states: readonly EncoderOut[],
): KeptState[] {
  const saved = states.flatMap(({ run_id, step, epoch, listed }) => {
    if (run_id === null || step === null || epoch === null || listed) return [];
    const same = run_id === job_id ? checkpoints.find((each) => each.step === step) : undefined;
    return [{ job_id: run_id, name, step, epoch, knn_accuracy: same?.knn_accuracy ?? null }];
  });
  const others = checkpoints.flatMap(({ step, epoch, knn_accuracy, encoder_id }) =>
    encoder_id === null && !saved.some((each) => each.job_id === job_id && each.step === step)
      ? [{ job_id, name, step, epoch, knn_accuracy }]
      : [],
  );
  return [...saved, ...others].sort((a, b) => a.step - b.step);
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
