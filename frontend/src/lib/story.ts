/** A job as its events tell it: pure folding, so that a replayed or doubled event changes nothing. */
import type { JobEvent, JobState } from '../api/types';

export interface LossPoint {
  step: number;
  loss: number | null;
}

/** A look at held-out images; what was not measured is null. */
export interface EvaluationPoint {
  step: number;
  epoch: number;
  n: number;
  /** k-NN on h. */
  accuracy: number | null;
  /** The linear classifier that is trained along. */
  probe: number | null;
  /** How often a view finds its partner first. */
  contrastTop1: number | null;
  alignment: number | null;
  uniformity: number | null;
  rankH: number | null;
  rankZ: number | null;
}

/** A look with its k-NN accuracy. */
export type AccuracyPoint = EvaluationPoint & { accuracy: number };

export interface LogLine {
  seq: number;
  at: number;
  /** `info`, `warning` or `error`; `state` for what became of the job itself. */
  level: string;
  message: string;
}

/** A state of the training that is on disk, from which another attempt can go on. */
export interface SavedPoint {
  step: number;
  /** UTC seconds. */
  at: number;
}

export interface Story {
  /** Number of the last event told; events up to it are known. */
  lastSeq: number;
  state: JobState | null;
  /** What the last state event said, such as why the job waits again. */
  message: string;
  step: number;
  steps: number;
  /** What the steps are. */
  unit: 'step' | 'image' | 'byte';
  epoch: number;
  epochs: number;
  loss: number | null;
  chance: number | null;
  imagesPerS: number | null;
  etaS: number | null;
  saved: SavedPoint | null;
  losses: readonly LossPoint[];
  evaluations: readonly EvaluationPoint[];
  logs: readonly LogLine[];
}

export const UNTOLD: Story = {
  lastSeq: 0,
  state: null,
  message: '',
  step: 0,
  steps: 0,
  unit: 'step',
  epoch: 0,
  epochs: 0,
  loss: null,
  chance: null,
  imagesPerS: null,
  etaS: null,
  saved: null,
  losses: [],
  evaluations: [],
  logs: [],
};

/** A story being told: its lists may grow. */
type Draft = Omit<Story, 'losses' | 'evaluations' | 'logs'> & {
  losses: LossPoint[];
  evaluations: EvaluationPoint[];
  logs: LogLine[];
};

/** The story after `events`; those already told are passed over. `story` itself is left as it was. */
export function tell(story: Story, events: readonly JobEvent[]): Story {
  const fresh = events.filter((event) => event.seq > story.lastSeq);
  if (fresh.length === 0) return story;
  const next: Draft = {
    ...story,
    losses: [...story.losses],
    evaluations: [...story.evaluations],
    logs: [...story.logs],
  };
  for (const event of fresh) {
    if (event.seq <= next.lastSeq) continue;
    next.lastSeq = event.seq;
    apply(next, event);
  }
  return next;
}

function apply(story: Draft, event: JobEvent): void {
  switch (event.kind) {
    case 'state':
      if (event.state === 'running' && story.state !== 'running') startAttempt(story);
      story.state = event.state;
      story.message = event.message;
      story.logs.push({ seq: event.seq, at: event.at, level: 'state', message: event.message });
      break;
    case 'checkpoint':
      story.saved = { step: event.step, at: event.at };
      break;
    case 'log':
      story.logs.push({ seq: event.seq, at: event.at, level: event.level, message: event.message });
      break;
    case 'evaluation':
      story.evaluations = [
        ...before(story.evaluations, event.step),
        {
          step: event.step,
          epoch: event.epoch,
          n: event.n,
          accuracy: event.knn_accuracy,
          // Runs of earlier versions measured nothing but the first.
          probe: event.probe_accuracy ?? null,
          contrastTop1: event.contrast_top1 ?? null,
          alignment: event.alignment ?? null,
          uniformity: event.uniformity ?? null,
          rankH: event.rank_h ?? null,
          rankZ: event.rank_z ?? null,
        },
      ];
      break;
    case 'progress':
      applyProgress(story, event);
  }
}

/** Another attempt goes on from what was saved: what the one before drew after that never became part of the result. */
function startAttempt(story: Draft): void {
  const start = story.saved?.step ?? 0;
  const isKept = ({ step }: { step: number }): boolean => story.saved !== null && step <= start;
  story.losses = story.losses.filter(isKept);
  story.evaluations = story.evaluations.filter(isKept);
  story.step = Math.min(story.step, start);
  story.imagesPerS = null;
  story.etaS = null;
}

function applyProgress(story: Draft, event: Extract<JobEvent, { kind: 'progress' }>): void {
  if (event.step < story.step) {
    // What was saved last could not be read, so this attempt goes on from further back.
    story.losses = before(story.losses, event.step);
    story.evaluations = before(story.evaluations, event.step);
  }
  if (story.losses.at(-1)?.step === event.step) story.losses.pop();
  story.step = event.step;
  story.steps = event.steps;
  story.unit = event.unit ?? 'step'; // which jobs of earlier versions did not say
  story.epoch = event.epoch;
  story.epochs = event.epochs;
  story.loss = event.loss;
  story.chance = event.chance ?? story.chance;
  story.imagesPerS = event.images_per_s;
  story.etaS = event.eta_s;
  // Where nothing is trained there is neither loss nor chance; a loss of null beside a chance is one that diverged.
  if (event.chance !== null || event.loss !== null) story.losses.push({ step: event.step, loss: event.loss });
}

function before<T extends { step: number }>(points: readonly T[], step: number): T[] {
  return points.filter((point) => point.step < step);
}

/** Share of the work that is done, in [0, 1]. */
export function shareDone(progress: { step: number; steps: number } | null | undefined): number {
  return progress && progress.steps > 0 ? Math.min(1, progress.step / progress.steps) : 0;
}

/** The looks that have a k-NN accuracy. */
export function withAccuracy(evaluations: readonly EvaluationPoint[]): AccuracyPoint[] {
  return evaluations.filter((point): point is AccuracyPoint => point.accuracy !== null);
}

/** Where the k-NN accuracy started, before anything was learned, or null while it is not known. */
export function untrainedStart(evaluations: readonly EvaluationPoint[]): AccuracyPoint | null {
  return withAccuracy(evaluations).find((point) => point.epoch === 0) ?? null;
}

/** One measure of every look that has it, against the epoch. */
export function curve(
  evaluations: readonly EvaluationPoint[],
  measure: 'probe' | 'contrastTop1' | 'alignment' | 'uniformity' | 'rankH' | 'rankZ',
): { x: number; y: number }[] {
  return evaluations.flatMap((point) => {
    const value = point[measure];
    return value === null ? [] : [{ x: point.epoch, y: value }];
  });
}
