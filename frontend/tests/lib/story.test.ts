import { describe, expect, it } from 'vitest';
import type { JobEvent, JobState } from '../../src/api/types';
import { curve, shareDone, tell, untrainedStart, UNTOLD, withAccuracy } from '../../src/lib/story';
import { evaluation as lookAt } from '../fixtures/job';

function progress(seq: number, step: number, loss: number | null): JobEvent {
  return {
    seq, at: seq, kind: 'progress', step, steps: 100, unit: 'step', epoch: 1, epochs: 4, loss, chance: 6.2,
    learning_rate: 0.001, images_per_s: 900, eta_s: 30,
  }; // prettier-ignore
}
const running: JobEvent = { seq: 1, at: 1, kind: 'state', state: 'running', message: 'Started.' };
function state(seq: number, to: JobState, message = ''): JobEvent {
  return { seq, at: seq, kind: 'state', state: to, message };
}
function checkpoint(seq: number, step: number): JobEvent {
  return { seq, at: seq, kind: 'checkpoint', step, epoch: 1, name: 'c.pt', sha256: 'f', knn_accuracy: null };
}
function evaluation(seq: number, step: number, accuracy: number): JobEvent {
  return lookAt(seq, { step, epoch: step === 0 ? 0 : 1 }, accuracy);
}

describe('the story of a job', () => {
  it('tells the curve, the numbers and the state', () => {
    const story = tell(UNTOLD, [running, evaluation(2, 0, 0.17), progress(3, 10, 5.9), progress(4, 20, 5.5)]);
    expect(story.state).toBe('running');
    expect(story.losses).toEqual([
      { step: 10, loss: 5.9 },
      { step: 20, loss: 5.5 },
    ]);
    expect(untrainedStart(story.evaluations)?.accuracy).toBe(0.17);
    expect(shareDone(story)).toBe(0.2);
    expect(story.chance).toBe(6.2);
  });

  it('keeps a look without labels for its other measures only', () => {
    const unlabelled = { ...evaluation(2, 0, 0), knn_accuracy: null } as JobEvent;
    const story = tell(UNTOLD, [running, unlabelled, evaluation(3, 10, 0.4)]);
    expect(withAccuracy(story.evaluations).map(({ step }) => step)).toEqual([10]);
    expect(untrainedStart(story.evaluations)).toBeNull();
    expect(curve(story.evaluations, 'rankH')).toEqual([
      { x: 0, y: 60 },
      { x: 1, y: 60 },
    ]);
    expect(curve(story.evaluations, 'probe')).toEqual([]);
  });

  it('does not change when events are told twice', () => {
    const events = [running, progress(2, 10, 5.9)];
    const once = tell(UNTOLD, events);
    expect(tell(once, events)).toBe(once);
    expect(tell(once, [...events, progress(3, 20, 5.5)]).losses).toHaveLength(2);
  });

  it('leaves the earlier story as it was', () => {
    const first = tell(UNTOLD, [progress(1, 10, 5.9)]);
    tell(first, [progress(2, 20, 5.5)]);
    expect(first.losses).toHaveLength(1);
  });

  it('forgets the curve of a lost attempt when the job starts again', () => {
    const lost = tell(UNTOLD, [running, evaluation(2, 0, 0.1), progress(3, 10, 5.9), progress(4, 80, 4.0)]);
    const again = tell(lost, [state(5, 'queued'), state(6, 'running')]);
    expect([again.losses, again.evaluations, again.step]).toEqual([[], [], 0]);
  });

  it('keeps what was drawn up to the saved step when the job goes on from there, and drops the rest', () => {
    const events = [
      running,
      evaluation(2, 0, 0.1),
      progress(3, 10, 5.9),
      evaluation(4, 20, 0.3),
      progress(5, 20, 5.2),
      checkpoint(6, 20),
      progress(7, 30, 4.9),
      evaluation(8, 40, 0.5),
      state(9, 'queued', 'It goes on from epoch 2 (step 20) in 5 s, attempt 2 of 3.'),
    ];
    const waiting = tell(UNTOLD, events);
    expect(waiting.losses).toHaveLength(3); // the loss is seen, and why, until another attempt begins
    expect(waiting.message).toContain('attempt 2 of 3');
    const resumed = tell(waiting, [state(10, 'running'), progress(11, 35, 4.8), progress(12, 40, 4.7)]);
    expect(resumed.losses.map(({ step }) => step)).toEqual([10, 20, 35, 40]);
    expect(resumed.evaluations.map(({ step }) => step)).toEqual([0, 20]);
    expect(resumed.saved).toEqual({ step: 20, at: 6 });
  });

  it('drops nothing when a wish is told while the job runs', () => {
    const story = tell(UNTOLD, [
      running,
      progress(2, 10, 5.9),
      state(3, 'running', 'Pausing.'),
      progress(4, 20, 5.5),
    ]);
    expect(story.losses).toHaveLength(2);
  });

  it('goes further back where the attempt does, because what was saved last was damaged', () => {
    const events = [running, checkpoint(2, 10), progress(3, 20, 5), checkpoint(4, 20), state(5, 'queued')];
    const story = tell(UNTOLD, [...events, state(6, 'running'), progress(7, 15, 5.4)]);
    expect(story.losses).toEqual([{ step: 15, loss: 5.4 }]);
  });

  it('holds every change of state in the log', () => {
    const story = tell(UNTOLD, [running, state(2, 'paused', 'The job is paused.')]);
    expect(story.logs.map(({ level, message }) => [level, message])).toEqual([
      ['state', 'Started.'],
      ['state', 'The job is paused.'],
    ]);
  });

  it('keeps a loss that is no number as a gap', () => {
    expect(tell(UNTOLD, [progress(1, 10, null)]).losses).toEqual([{ step: 10, loss: null }]);
  });

  it('draws no loss curve for work that trains nothing', () => {
    const embedding = { ...progress(1, 5, null), chance: null } as JobEvent;
    expect(tell(UNTOLD, [embedding]).losses).toEqual([]);
  });
});
