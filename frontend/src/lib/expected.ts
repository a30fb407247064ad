/** What is expected of jobs before they are sent, in words: how long they take, how much memory they hold, when they start. */
import type { EstimateOut, JobIn, JobOut } from '../api/types';
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
export function workText(expected: readonly Expected[]): string {
  const known = expected.filter(({ answer }) => answer.seconds !== null);
  if (known.length === 0) return 'not known: no like job has run here yet';
  const seconds = known.reduce((sum, { part, answer }) => sum + part.n * (answer.seconds ?? 0), 0);
  if (known.length === expected.length) return `about ${duration(seconds)}`;
  const unknown = expected.filter(({ answer }) => answer.seconds === null).map(({ part }) => part.label);
  return `more than ${duration(seconds)}: no ${unknown.join(' or ')} has run here yet`;
}

/** How long one job of a part takes. */
export function eachText({ part, answer }: Expected): string {
  const each = answer.seconds === null ? 'not known yet' : `about ${duration(answer.seconds)}`;
  return part.n === 1 ? each : `${each}, ${part.n} times`;
}

/** What the time rests on; empty where it is not known. */
export function basisText({ answer }: Expected): string {
  return answer.seconds === null ? '' : `as ${counted(answer.jobs, 'like job')} took`;
}

/** The most memory that one of the jobs holds. */
export function memoryText(expected: readonly Expected[]): string {
  const peaks = expected.flatMap(({ answer }) => (answer.peak_bytes === null ? [] : [answer.peak_bytes]));
  return peaks.length === 0 ? 'not known yet' : `up to ${bytes(Math.max(...peaks))}`;
}

/** How long a job sent now waits; `running` jobs are at work and `waiting` ones stand before it. */
export function waitText(waiting: number, running: readonly JobOut[], workers: number | null): string {
  if (workers === 0) return 'until a worker runs';
  if (waiting > 0) return `behind ${waiting === 1 ? 'one job that waits' : `${waiting} jobs that wait`}`;
  if (running.length < (workers ?? 1)) return 'none, it starts at once';
  const left = running.map((job) => job.progress?.eta_s ?? null);
  const soonest = left.includes(null) ? null : Math.min(...(left as number[]));
  const who = running.length === 1 ? 'the job that runs now' : 'one of those that run now';
  return `after ${who}${soonest === null ? '' : `, in about ${duration(soonest)}`}`;
}
