import { describe, expect, it } from 'vitest';
import { fieldsOf, groupsOf, initialValues, type ConfigSchema } from '../../src/lib/configForm';
import { cardsOf, isOn, keptOf, summaryOf, switched, type Card, type Part } from '../../src/lib/policy';
import schemas from '../fixtures/configs.json';

const groups = groupsOf(schemas.augment as ConfigSchema);
const parts = schemas.parts as unknown as Part[];
const cards = cardsOf(parts, groups);
const start = initialValues(groups);
const card = (name: string): Card => cards.find(({ part }) => part.name === name) as Card;

describe('the cards of a policy', () => {
  it('come in the order of application and hold every field once', () => {
    expect(cards.map(({ part }) => part.name).slice(0, 3)).toEqual(['rotation', 'crop', 'flip']);
    const held = cards.flatMap(({ open, folded }) => [...open, ...folded]).map(({ path }) => path);
    expect(held.toSorted()).toEqual(
      fieldsOf(groups)
        .map(({ path }) => path)
        .toSorted(),
    );
  });

  it('fold away what is not basic, unless nothing is', () => {
    expect(card('jitter').open.map(({ path }) => path)).toEqual(['jitter_p', 'jitter_strength']);
    expect(card('noise').folded).toEqual([]);
  });

  it('say in a few words what an operation does', () => {
    expect(summaryOf(card('crop'), start)).toBe('from 0.2 of area');
    expect(summaryOf(card('flip'), start)).toBe('50 % of views');
    expect(summaryOf(card('grey'), { ...start, grey_p: '1' })).toBe('always');
    expect(summaryOf(card('noise'), start)).toBe('off');
  });
});

describe('the switch of a card', () => {
  it('turns every operation off and on again', () => {
    for (const { part, open, folded } of cards) {
      const fields = [...open, ...folded];
      const off = { ...start, ...switched(part, fields, false, {}) };
      expect(isOn(part, off), part.name).toBe(false);
      expect(isOn(part, { ...off, ...switched(part, fields, true, {}) }), part.name).toBe(true);
    }
  });

  it('brings back what was set before', () => {
    const { part, open, folded } = card('crop');
    const before = { ...start, crop_scale_min: '0.37', crop_scale_max: '0.8' };
    const kept = keptOf(part, before);
    const off = { ...before, ...switched(part, [...open, ...folded], false, {}) };
    expect({ ...off, ...switched(part, [...open, ...folded], true, kept) }).toEqual(before);
  });
});
