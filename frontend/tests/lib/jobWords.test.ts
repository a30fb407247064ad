import { describe, expect, it } from 'vitest';
import {
  allowed,
  inOrder,
  memoryText,
  ordinal,
  placeText,
  standingText,
  startText,
  timeText,
  whereText,
  whoText,
  wishText,
} from '../../src/lib/jobWords';
import { alone, job, progress } from '../fixtures/job';

describe('the place in the queue', () => {
  it('counts as people do', () => {
    expect([1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal)).toEqual([
      '1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '102nd', '111th',
    ]); // prettier-ignore
  });

  it('comes with the expected start, or says that nobody knows it', () => {
    expect(placeText(job({ position: 2, starts_in_s: 240 }), alone)).toBe('2nd in line, in about 4 min');
    expect(placeText(job({ position: 2, starts_in_s: null }), alone)).toBe(
      '2nd in line, when it starts is not known yet',
    );
    expect(placeText(job({ position: 1, starts_in_s: 0 }), alone)).toBe('1st in line, starts in a moment');
  });

  it('promises no start where no worker runs', () => {
    expect(placeText(job({ position: 1, starts_in_s: 0 }), { workers: 0, devices: [] })).toBe(
      '1st in line, waits for a worker',
    );
    const pinned = job({ position: 1, starts_in_s: null, pinned_to: 'cuda:1' });
    expect(placeText(pinned, alone)).toBe('1st in line, waits for a worker on cuda:1');
    expect(placeText(pinned, { workers: 1, devices: null })).toContain('not known yet');
  });

  it('orders the list: running, then waiting by turn, paused, and the ended as they came', () => {
    const listed = [
      job({ id: 'done', state: 'succeeded' }),
      job({ id: 'second', state: 'queued', position: 2 }),
      job({ id: 'paused', state: 'paused' }),
      job({ id: 'first', state: 'queued', position: 1 }),
      job({ id: 'older', state: 'failed' }),
      job({ id: 'running' }),
    ];
    expect(inOrder(listed).map(({ id }) => id)).toEqual([
      'running', 'first', 'second', 'paused', 'done', 'older',
    ]); // prettier-ignore
  });
});

describe('the time of a job', () => {
  it('adds what the current attempt has run to those before', () => {
    const running = job({ spent_s: 60, started_at: 1000, predicted_s: 300 });
    expect(timeText(running, 1060)).toBe('so far 2 min, predicted 5 min');
  });

  it('sets what it took against what was predicted', () => {
    expect(timeText(job({ state: 'succeeded', spent_s: 200, predicted_s: 240 }), 0)).toBe(
      'took 3 min, predicted 4 min',
    );
    expect(timeText(job({ state: 'queued', predicted_s: 240 }), 0)).toBe('predicted 4 min');
    expect(timeText(job({ state: 'queued' }), 0)).toBe('');
  });

  it('has its memory beside it, held and predicted', () => {
    const predicted_peak_bytes = 300 * 2 ** 20;
    expect(memoryText(job())).toBe('');
    expect(memoryText(job({ predicted_peak_bytes }))).toBe('up to 300 MiB of memory predicted');
    expect(memoryText(job({ predicted_peak_bytes, peak_bytes: 2 ** 30 }))).toBe(
      'up to 1.0 GiB of memory, predicted 300 MiB',
    );
  });
});

describe('how a job stands', () => {
  it('says how far and how long still', () => {
    expect(standingText(job({ progress: progress(50, 100, 180) }), alone, 0)).toBe('50 % · 3 min left');
    expect(standingText(job(), alone, 0)).toBe('starting');
  });
  it('keeps what was done in sight while it waits or is paused', () => {
    const waiting = job({ state: 'queued', position: 1, starts_in_s: 5, progress: progress(50, 100, null) });
    expect(standingText(waiting, alone, 0)).toBe('50 % done · 1st in line, in about 5 s');
    expect(standingText(job({ state: 'paused', progress: progress(50, 100, 9) }), alone, 0)).toBe(
      '50 % done, waits until it is resumed',
    );
  });
  it('says why it failed', () => {
    const failed = job({ state: 'failed', error: { code: 'disk', message: 'The disk is full.' } });
    expect(standingText(failed, alone, 0)).toBe('The disk is full.');
  });
  it('names who asked, and a priority that is not the usual', () => {
    expect(whoText({ submitter: 'Ada', priority: 1 })).toBe('by Ada, high priority');
    expect(whoText({ submitter: '', priority: 0 })).toBe('');
  });
  it('says where it runs or ran, or where alone it may', () => {
    expect(whereText(job({ device: 'cpu, float32' }))).toBe('on cpu, float32');
    expect(whereText(job({ state: 'queued', device: 'cpu', pinned_to: 'cuda:1' }))).toBe('only on cuda:1');
    expect(whereText(job({ state: 'queued' }))).toBe('');
  });
});

describe('what may be done with a job', () => {
  const yes = (changes: Parameters<typeof job>[0]): string[] =>
    Object.entries(allowed(job(changes))).flatMap(([name, may]) => (may ? [name] : []));

  it('follows its state and what was asked of it', () => {
    expect(yes({ state: 'queued' })).toEqual(['pause', 'cancel']);
    expect(yes({ state: 'running' })).toEqual(['pause', 'cancel']);
    expect(yes({ state: 'running', desired: 'pause' })).toEqual(['resume', 'cancel']);
    expect(yes({ state: 'paused', desired: 'pause' })).toEqual(['resume', 'cancel']);
    expect(yes({ state: 'running', desired: 'cancel' })).toEqual([]);
    expect(yes({ state: 'failed' })).toEqual(['again']);
    expect(yes({ state: 'cancelled', desired: 'cancel' })).toEqual(['again']);
    expect(yes({ state: 'succeeded' })).toEqual(['more']);
  });

  it('gives more epochs to pretrainings only, and to none that has them all', () => {
    expect(yes({ state: 'succeeded', kind: 'transfer' })).toEqual([]);
    expect(yes({ state: 'succeeded', config: { epochs: 1000 } })).toEqual([]);
  });

  it('shows a wish until it is fulfilled', () => {
    expect(wishText(job({ desired: 'pause' }))).toBe('pausing');
    expect(wishText(job({ desired: 'pause', state: 'paused' }))).toBeNull();
    expect(wishText(job({ desired: 'cancel' }))).toBe('stopping');
    expect(wishText(job({ desired: 'cancel' }), 'cancelled')).toBeNull();
  });

  it('says where another attempt starts', () => {
    expect(startText({ saved_step: 1240 })).toBe('goes on from step 1,240');
    expect(startText({ saved_step: null })).toContain('from the beginning');
  });
});
