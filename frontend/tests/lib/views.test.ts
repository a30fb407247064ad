import { expect, it } from 'vitest';
import type { StoryStep } from '../../src/api/types';
import { modeOf, nameOf, overlapText, shareText, stepsShown, STEP_NAME } from '../../src/lib/views';
import schemas from '../fixtures/configs.json';

it('reads what to show from the address, and pairs from anything else', () => {
  expect([modeOf('steps'), modeOf('many'), modeOf('junk'), modeOf(null)]).toEqual([
    'steps',
    'many',
    'pairs',
    'pairs',
  ]);
});

it('names images, overlaps and shares', () => {
  expect([nameOf(12), nameOf(null)]).toEqual(['image 12', 'your photo']);
  expect([0, 0.004, 0.374, 1].map(overlapText)).toEqual(['none', '< 1 %', '37 %', '100 %']);
  expect(shareText([0, 0, 16, 32], 32)).toBe('50 % of the area');
});

it('shows the steps that the policy uses, drawn or not, and none that it never takes', () => {
  const step = (part: string, applied: boolean): StoryStep => ({
    part,
    step: part,
    applied,
    said: '',
    picture: '',
  });
  const steps = [step('rotation', false), step('crop', true), step('grey', false)];
  expect(stepsShown(steps, new Set(['crop', 'grey'])).map(({ part }) => part)).toEqual(['crop', 'grey']);
});

it('has a name for every step', () => {
  const jitter = ['brightness', 'contrast', 'saturation', 'hue'];
  const names = schemas.parts.map(({ name }) => name).filter((name) => name !== 'jitter');
  expect(Object.keys(STEP_NAME).toSorted()).toEqual([...names, ...jitter].toSorted());
});
