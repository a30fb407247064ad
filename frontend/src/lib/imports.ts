/** What is said of imports: how they stand, and what can be imported. */
import type { PublishedOut } from '../api/imports';
import type { JobOut, JobState } from '../api/types';
import { howFarText, placeText, type Crew, type Unit } from './jobWords';
import { bytes, duration } from './numbers';

/** How far an import is, as its progress or its story has it. */
export interface HowFar {
  step: number;
  steps: number;
  unit?: Unit;
  etaS: number | null;
}

/** How an import stands, in a sentence. */
export function importText(
  job: Pick<JobOut, 'state' | 'desired' | 'config' | 'position' | 'starts_in_s' | 'pinned_to'>,
  far: HowFar,
  crew: Crew,
): string {
  if (job.desired === 'cancel') return 'Stopping …';
  if (job.state === 'queued') return `Accepted: ${placeText(job, crew)}.`;
  const text = howFarText(far);
  if (!text && job.config['origin'] === 'published') return 'The lab asks for the files …';
  if (!text && job.config['origin'] === 'builtin') return 'The lab makes the images …';
  if (!text) return 'The lab reads and checks the images …';
  return `${text}${far.etaS === null ? '' : `, ${duration(far.etaS)} left`}.`;
}

/** `CIFAR-10 · 162 MiB`, as a choice among others. */
export function sourceText({ title, bytes: size, is_here }: PublishedOut): string {
  if (is_here) return `${title} · downloaded`;
  return size === null ? title : `${title} · ${bytes(size)}`;
}

/** Whether an import is listed beside the sets, as it will join them. */
export function isUnderWay(state: JobState): boolean {
  return state === 'queued' || state === 'running';
}
