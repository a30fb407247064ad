import { describe, expect, it } from 'vitest';
import type { EstimateOut } from '../../src/api/types';
import { basisText, eachText, memoryText, waitText, workText, type Expected } from '../../src/lib/expected';
import { job, progress } from '../fixtures/job';

function expected(label: string, n: number, answer: Partial<EstimateOut>): Expected {
  const body = { kind: 'embed', dataset_id: 'd1', encoder_id: 'e1' } as const;
  const unknown = { seconds: null, peak_bytes: null, source: null, jobs: 0, pending: false, advice: null };
  return {
    part: { label, n, body },
    answer: { ...unknown, waiting: 0, starts_in_s: null, ...answer },
  };
}
const probe = expected('linear probe', 2, { seconds: 60, peak_bytes: 300 * 2 ** 20, jobs: 3 });
const knn = expected('k-NN', 3, { seconds: 20, peak_bytes: 200 * 2 ** 20, jobs: 1 });
const tuning = expected('fine-tuning', 1, {});

describe('what is expected of jobs before they are sent', () => {
  it('is the time of all of them, and of one', () => {
    expect(workText([probe, knn])).toBe('about 3 min');
    expect(eachText(probe)).toBe('about 60 s, 2 times');
    expect(basisText(knn)).toBe('as 1 like job took');
  });

  it('is not made up without a precedent', () => {
    expect(workText([tuning])).toBe('not known: no like job has run here yet');
    expect(workText([probe, tuning])).toBe('more than 2 min: no fine-tuning has run here yet');
    expect([eachText(tuning), basisText(tuning)]).toEqual(['not known yet', '']);
  });

  it('is the memory of the largest of them', () => {
    expect(memoryText([knn, probe, tuning])).toBe('up to 300 MiB');
    expect(memoryText([tuning])).toBe('not known yet');
  });
});

describe('the wait before a job that is sent now', () => {
  const busy = [job({ progress: progress(1, 2, 125) })];
  it('is none while a worker is free', () => {
    expect(waitText(0, [], 1)).toBe('none, it starts at once');
    expect(waitText(0, busy, 2)).toBe('none, it starts at once');
  });
  it('is that of the running job, or of those that wait already', () => {
    expect(waitText(0, busy, 1)).toBe('after the job that runs now, in about 2 min');
    expect(waitText(0, [job()], 1)).toBe('after the job that runs now');
    expect(waitText(3, busy, 1)).toBe('behind 3 jobs that wait');
  });
  it('has no end without a worker', () => {
    expect(waitText(0, [], 0)).toBe('until a worker runs');
  });
});
