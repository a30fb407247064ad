import { expect, test } from 'vitest';
import type { EncoderOut, SearchOut } from '../../src/api/types';
import { courseOf, embeddedStates, epochText, missingStates, placeOf, runOf } from '../../src/lib/epochs';

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
