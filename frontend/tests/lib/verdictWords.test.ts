import { expect, it } from 'vitest';
import { figureSaid, VERDICT_SAYS, verdictTone } from '../../src/lib/verdictWords';

it('marks as good only what learns, and leaves open what is too early', () => {
  const states = Object.keys(VERDICT_SAYS) as (keyof typeof VERDICT_SAYS)[];
  expect(states.filter((state) => verdictTone(state) === 'good')).toEqual([
    'learning',
    'flat_loss_probe_rising',
  ]);
  expect(states.filter((state) => verdictTone(state) === '')).toEqual(['too_early']);
});

it('gives every figure with its rule', () => {
  expect(figureSaid({ name: 'loss', value: 5.54123, rule: 'not 2 % below chance, 5.540' })).toBe(
    'loss 5.54: not 2 % below chance, 5.540',
  );
});
