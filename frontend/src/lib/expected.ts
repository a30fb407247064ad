/** What is expected of jobs before they are sent, in words: how long they take, how much memory they hold, when they start. */
import type { EstimateOut, JobIn } from '../api/types';
import type { Crew } from './jobWords';
import { bytes, counted, duration } from './numbers';

/** Like jobs that are sent together. */
export interface Part {
  /** What they do, where several parts are told apart. */
  label: string;
  /** How many they are. */
  n: number;
  /** One of them. */
  body: JobIn;
}

/** A part and what the lab answered about one of its jobs. */
export interface Expected {
  part: Part;
  answer: EstimateOut;
}

/** How long all the work takes; what nobody knows is said, never made up. */
export function workText(expected: readonly Expected[], isWorkerIdle: boolean): string {
  const known = expected.filter(({ answer }) => answer.seconds !== null);
  const unknown = expected.filter(({ answer }) => answer.seconds === null);
  if (known.length === 0) return unknownText(unknown, isWorkerIdle);
  const work = about(known.reduce((sum, { part, answer }) => sum + part.n * (answer.seconds ?? 0), 0));
  const rest = unknown.map(({ part }) => part.label).join(' and ');
  return rest ? `${work} without ${rest}` : work;
}

function unknownText(unknown: readonly Expected[], isWorkerIdle: boolean): string {
  if (!unknown.some(({ answer }) => answer.pending)) return 'not known: no like job has run here yet';
  return isWorkerIdle
    ? 'not known yet: a few steps are being tried …'
    : 'not known yet: a few steps are tried as soon as a worker is idle';
}

/** How long one job of a part takes. */
export function eachText({ part, answer }: Expected, isWorkerIdle: boolean): string {
  if (answer.seconds === null) return unknownText([{ part, answer }], isWorkerIdle);
  return part.n === 1 ? about(answer.seconds) : `${about(answer.seconds)}, ${part.n} times`;
}

function about(seconds: number): string {
  return seconds < 1 ? 'less than a second' : `about ${duration(seconds)}`;
}

/** What the time rests on; empty where it is not known. */
export function basisText({ answer }: Expected): string {
  if (answer.source === null) return '';
  return answer.source === 'dry_run'
    ? 'by a dry run of a few steps'
    : `as ${counted(answer.jobs, 'like job')} took`;
}

/** The most memory that one of the jobs holds. */
export function memoryText(expected: readonly Expected[]): string {
  const peaks = expected.flatMap(({ answer }) => (answer.peak_bytes === null ? [] : [answer.peak_bytes]));
  return peaks.length === 0 ? 'not known yet' : `up to ${bytes(Math.max(...peaks))}`;
}

/** How long a job that is sent now waits, where it may run on `device` alone unless that is null. */
export function waitText(
  { waiting, starts_in_s }: Pick<EstimateOut, 'waiting' | 'starts_in_s'>,
  { workers, devices }: Crew,
  device: string | null = null,
): string {
  if (workers === 0) return 'until a worker runs';
  if (device !== null && devices !== null && !devices.includes(device))
    return `until a worker runs on ${device}`;
  if (starts_in_s !== null && starts_in_s < 1) return 'none, it starts at once';
  const behind = waiting === 0 ? 'after what runs now' : `behind ${counted(waiting, 'job')} in line`;
  return starts_in_s === null
    ? `${behind}, how long is not known`
    : `about ${duration(starts_in_s)}, ${behind}`;
}
