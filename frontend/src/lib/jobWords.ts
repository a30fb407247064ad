/** What is said of a job outside its own story: its place in the queue, its time, and what a person may do with it. */
import { isTerminal, type JobOut, type JobState } from '../api/types';
import { ago, bytes, duration, percent } from './numbers';
import { shareDone } from './story';

/** `1st`, `2nd`, `11th`, `23rd`. */
export function ordinal(n: number): string {
  const teen = n % 100 > 10 && n % 100 < 14;
  return `${n}${teen ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th')}`;
}

/** Who is there to run jobs; null while that is not known. */
export interface Crew {
  workers: number | null;
  devices: readonly string[] | null;
}

/** Where a waiting job stands and when it may start. */
export function placeText(
  job: Pick<JobOut, 'position' | 'starts_in_s' | 'pinned_to'>,
  { workers, devices }: Crew,
): string {
  if (job.position === null) return 'waits for its turn';
  const place = `${ordinal(job.position)} in line`;
  if (workers === 0) return `${place}, waits for a worker`;
  if (job.pinned_to !== null && devices !== null && !devices.includes(job.pinned_to))
    return `${place}, waits for a worker on ${job.pinned_to}`;
  if (job.starts_in_s === null) return `${place}, when it starts is not known yet`;
  return job.starts_in_s < 1
    ? `${place}, starts in a moment`
    : `${place}, in about ${duration(job.starts_in_s)}`;
}

/** Seconds that a job has been worked on, all its attempts together. */
export function secondsWorked(job: JobOut, now: number): number {
  const current = job.state === 'running' && job.started_at !== null ? Math.max(0, now - job.started_at) : 0;
  return job.spent_s + current;
}

/** What a job took against what was predicted; empty while it has not run. */
export function timeText(job: JobOut, now: number): string {
  const worked = secondsWorked(job, now);
  const predicted = job.predicted_s === null ? '' : `predicted ${duration(job.predicted_s)}`;
  if (worked <= 0) return predicted;
  const took = `${isTerminal(job.state) ? 'took' : 'so far'} ${duration(worked)}`;
  return predicted ? `${took}, ${predicted}` : took;
}

/** The memory that a job held at most against what was predicted; empty where nothing is known. */
export function memoryText(job: Pick<JobOut, 'peak_bytes' | 'predicted_peak_bytes'>): string {
  const predicted = job.predicted_peak_bytes === null ? '' : bytes(job.predicted_peak_bytes);
  if (job.peak_bytes === null) return predicted && `up to ${predicted} of memory predicted`;
  return `up to ${bytes(job.peak_bytes)} of memory${predicted && `, predicted ${predicted}`}`;
}

/** Where a job runs or ran last, or the only place where it may; empty while that is open. */
export function whereText(job: Pick<JobOut, 'device' | 'pinned_to' | 'state'>): string {
  if (job.device !== null && job.state !== 'queued') return `on ${job.device}`;
  return job.pinned_to === null ? '' : `only on ${job.pinned_to}`;
}

export interface Allowed {
  pause: boolean;
  resume: boolean;
  cancel: boolean;
  /** Try a failed or cancelled job again. */
  again: boolean;
  /** An import in vain whose file has to be sent once more. */
  sendAgain: boolean;
  /** Give a pretraining that succeeded more epochs. */
  more: boolean;
}

export const MOST_EPOCHS = 1000;

/** What a person may do with a job now; `state` may be newer than the row. */
export function allowed(job: JobOut, state: JobState | null = job.state): Allowed {
  const open = state !== null && !isTerminal(state) && job.desired !== 'cancel';
  const epochs = epochsOf(job);
  const inVain = state === 'failed' || state === 'cancelled';
  // What was sent for an import is gone with its end.
  const wasSent = job.config['origin'] === 'upload';
  return {
    pause: open && job.desired === 'run' && job.kind !== 'import',
    resume: open && job.desired === 'pause',
    cancel: open,
    again: inVain && !wasSent,
    sendAgain: inVain && wasSent,
    more: state === 'succeeded' && epochs !== null && epochs < MOST_EPOCHS,
  };
}

/** Epochs of a pretraining's recipe; null for other work. */
export function epochsOf(job: JobOut): number | null {
  const epochs = job.config['epochs'];
  return job.kind === 'pretrain' && typeof epochs === 'number' ? epochs : null;
}

/** What a wish that has not been fulfilled yet makes of a state: `pausing`, `stopping`, or null. */
export function wishText(job: JobOut, state: JobState | null = job.state): string | null {
  if (state === null || isTerminal(state)) return null;
  if (job.desired === 'cancel') return 'stopping';
  return job.desired === 'pause' && state === 'running' ? 'pausing' : null;
}

/** Where another attempt starts. */
export function startText(job: Pick<JobOut, 'saved_step'>): string {
  return job.saved_step === null
    ? 'starts from the beginning: nothing of it was saved'
    : `goes on from step ${job.saved_step.toLocaleString('en-GB')}`;
}

const ORDER: Record<JobState, number> = {
  running: 0,
  queued: 1,
  paused: 2,
  succeeded: 3,
  failed: 3,
  cancelled: 3,
};

/** Jobs as a person looks for them: what runs, what waits in its order, what is paused, what ended, newest first. */
export function inOrder(jobs: readonly JobOut[]): JobOut[] {
  return [...jobs].sort(
    (a, b) => ORDER[a.state] - ORDER[b.state] || (a.position ?? Infinity) - (b.position ?? Infinity),
  );
}

export type Unit = 'step' | 'image' | 'byte';

/** `1,234 of 20,000 images`, or `34 MiB of 162 MiB`; empty where only steps are counted, or nothing. */
export function howFarText(far: { step: number; steps: number; unit?: Unit }): string {
  if (far.steps <= 0 || far.unit === undefined || far.unit === 'step') return '';
  if (far.unit === 'byte') return `${bytes(far.step)} of ${bytes(far.steps)} downloaded`;
  return `${far.step.toLocaleString('en-GB')} of ${far.steps.toLocaleString('en-GB')} images`;
}

/** How a job stands, in one line. */
export function standingText(job: JobOut, crew: Crew, now: number): string {
  const share = percent(shareDone(job.progress));
  switch (job.state) {
    case 'running': {
      if (!job.progress) return 'starting';
      const eta = job.progress.eta_s;
      const far = howFarText(job.progress) || share;
      return eta === null ? far : `${far} · ${duration(eta)} left`;
    }
    case 'queued':
      return job.progress ? `${share} done · ${placeText(job, crew)}` : placeText(job, crew);
    case 'paused':
      return job.progress ? `${share} done, waits until it is resumed` : 'waits until it is resumed';
    case 'failed':
      return job.error?.message ?? ago(job.finished_at ?? job.created_at, now);
    default:
      return ago(job.finished_at ?? job.created_at, now);
  }
}

export const PRIORITY_NAME: Record<number, string> = { [-1]: 'low', 0: 'normal', 1: 'high' };

/** Who asked for the job and how pressing it is, where either is more than the usual. */
export function whoText(job: Pick<JobOut, 'submitter' | 'priority'>): string {
  const priority = job.priority === 0 ? '' : `${PRIORITY_NAME[job.priority]} priority`;
  return [job.submitter && `by ${job.submitter}`, priority].filter(Boolean).join(', ');
}
