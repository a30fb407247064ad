import { describe, expect, it } from 'vitest';
import type { EstimateOut } from '../../src/api/types';
import { basisText, eachText, memoryText, waitText, workText, type Expected } from '../../src/lib/expected';
import { alone, unknown } from '../fixtures/job';

function expected(label: string, n: number, answer: Partial<EstimateOut>): Expected {
  const body = { kind: 'embed', dataset_id: 'd1', encoder_id: 'e1' } as const;
  return {
    part: { label, n, body },
    answer: { ...unknown, ...answer },
  };
}
const probe = expected('linear probe', 2, {
  source: 'history',
  seconds: 60,
  peak_bytes: 300 * 2 ** 20,
  jobs: 3,
});
const knn = expected('k-NN', 3, { source: 'dry_run', seconds: 20, peak_bytes: 200 * 2 ** 20 });
const tuning = expected('fine-tuning', 1, {});

describe('what is expected of jobs before they are sent', () => {
  it('is the time of all of them, and of one, with what it rests on', () => {
    expect(workText([probe, knn], true)).toBe('about 3 min');
    expect([eachText(probe, true), basisText(probe)]).toEqual(['about 60 s, 2 times', 'as 3 like jobs took']);
    expect(basisText(knn)).toBe('by a dry run of a few steps');
    expect(workText([expected('', 1, { seconds: 0.2 })], true)).toBe('less than a second');
  });

  it('is not made up without a precedent', () => {
    expect(workText([tuning], true)).toBe('not known: no like job has run here yet');
    expect(workText([probe, tuning], true)).toBe('about 2 min without fine-tuning');
    expect([eachText(tuning, true), basisText(tuning)]).toEqual([
      'not known: no like job has run here yet',
      '',
    ]);
  });

  it('says that a few steps are being tried, or will be', () => {
    const tried = expected('fine-tuning', 1, { pending: true });
    expect(workText([tried], true)).toBe('not known yet: a few steps are being tried …');
    expect(workText([tried], false)).toContain('as soon as a worker is idle');
  });

  it('is the memory of the largest of them', () => {
    expect(memoryText([knn, probe, tuning])).toBe('up to 300 MiB');
    expect(memoryText([tuning])).toBe('not known yet');
  });
});

describe('the wait before a job that is sent now', () => {
  it('is none while a worker is free', () => {
    expect(waitText({ waiting: 0, starts_in_s: 0 }, alone)).toBe('none, it starts at once');
  });
  it('is that of what runs, and of those that wait already', () => {
    expect(waitText({ waiting: 0, starts_in_s: 125 }, alone)).toBe('about 2 min, after what runs now');
    expect(waitText({ waiting: 1, starts_in_s: 125 }, alone)).toBe('about 2 min, behind 1 job in line');
    expect(waitText({ waiting: 3, starts_in_s: null }, alone)).toBe(
      'behind 3 jobs in line, how long is not known',
    );
  });
  it('has no end without a worker', () => {
    expect(waitText({ waiting: 0, starts_in_s: null }, alone, 'cuda:1')).toBe(
      'until a worker runs on cuda:1',
    );
    expect(waitText({ waiting: 0, starts_in_s: null }, { workers: 0, devices: [] })).toBe(
      'until a worker runs',
    );
  });
});
