import { expect, test } from 'vitest';
import type { CheckpointOut, EncoderOut, SearchOut } from '../../src/api/types';
import {
  courseOf,
  embeddedStates,
  epochText,
  keptStates,
  missingStates,
  placeOf,
  runEpochs,
  runOf,
} from '../../src/lib/epochs';

const state = (id: string, epoch: number | null, embedded: string[] = []): EncoderOut =>
  ({ id, epoch, job_id: null, run_id: 'run', embedded_dataset_ids: embedded }) as unknown as EncoderOut;
const STATES = [
  state('a', 0, ['set']),
  state('b', 1),
  state('b2', 1, ['set']),
  state('c', 4, ['set']),
  state('d', null, ['set']),
];
const answer = (labels: (number | null)[]): SearchOut =>
  ({ hits: labels.map((label, index) => ({ index, label })) }) as unknown as SearchOut;

test('a run offers each epoch once, and those that have embedded the set can be followed', () => {
  expect(embeddedStates(STATES, 'set').map(({ id }) => id)).toEqual(['a', 'c']);
  expect(missingStates(STATES, 'set').map(({ id }) => id)).toEqual(['b']);
  expect(runOf(state('a', 0))).toBe('run');
  expect(runOf({ ...state('a', 0), job_id: 'job' })).toBe('job');
  expect([0, 12].map(epochText)).toEqual(['untrained', 'epoch 12']);
});

test('the course is the precision of every epoch whose answer is known', () => {
  const answers: Record<string, SearchOut> = { a: answer([1, 2, 2, null]), c: answer([1, 1, 2, 1]) };
  const found = courseOf([state('a', 0), state('b', 1), state('c', 4)], (id) => answers[id] ?? null, 1, null);
  expect(found.map(({ epoch, share }) => [epoch, share])).toEqual([
    [0, 1 / 3],
    [1, null],
    [4, 0.75],
  ]);
  expect(courseOf([state('a', 0)], () => answer([1]), null, null)[0]?.share).toBeNull();
});

test('points stand evenly between the margins', () => {
  expect(placeOf(0, 3, 0, 112, 40)).toEqual([6, 34]);
  expect(placeOf(1, 3, 0.5, 112, 40)).toEqual([56, 20]);
  expect(placeOf(0, 1, 1, 112, 40)).toEqual([56, 6]);
});

test('saved epochs are offered once for each run, without those that are listed or stand already', () => {
  const end = { ...state('end', 4), job_id: 'run', run_id: null, listed: true, name: 'SimCLR' };
  const saved = ['a', 'b', 'c'].map((id, i) => ({ ...state(id, i), listed: id === 'c' }));
  const [first] = saved;
  if (!first) throw new Error();
  const found = runEpochs([end, first], () => [...saved, end], ['a']);
  expect(found.map(({ run, name, states }) => [run, name, states.map(({ id }) => id)])).toEqual([
    ['run', 'SimCLR', ['b']],
  ]);
  expect(runEpochs([end], () => [end], [])).toEqual([]);
});

test('what a run has kept are its saved epochs, those of the run that it continues, and its checkpoints', () => {
  const saved = [
    { ...state('a', 0), step: 0, listed: false, run_id: 'before' },
    { ...state('b', 1), step: 3, listed: false },
    { ...state('c', 2), step: 6, listed: true },
    { ...state('end', 3), step: 9, listed: true, job_id: 'run', run_id: null },
  ];
  const checkpoint = (step: number, encoder_id: string | null): CheckpointOut => ({
    step,
    epoch: Math.floor(step / 3),
    knn_accuracy: step / 100,
    encoder_id,
  });
  const kept = [checkpoint(8, null), checkpoint(6, 'c'), checkpoint(3, null)];
  const found = keptStates({ job_id: 'run', name: 'SimCLR' }, kept, saved);
  expect(found.map(({ job_id, step, epoch, knn_accuracy }) => [job_id, step, epoch, knn_accuracy])).toEqual([
    ['before', 0, 0, null],
    ['run', 3, 1, 0.03],
    ['run', 8, 2, 0.08],
  ]);
});
