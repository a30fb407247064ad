import { describe, expect, it } from 'vitest';
import type { DatasetOut } from '../../src/api/types';
import { fieldsOf, groupsOf, initialValues, type ConfigSchema } from '../../src/lib/configForm';
import { fitBatch, outline } from '../../src/lib/outline';
import schemas from '../fixtures/configs.json';

const groups = groupsOf(schemas.pretrain as ConfigSchema);
const values = { ...initialValues(groups), epochs: '20', batch_size: '256' };
const set = { id: 'd1', split_sizes: { train: 8000 } } as unknown as DatasetOut;

describe('the outline of a pretraining', () => {
  it('counts whole batches and knows the loss of guessing', () => {
    const { steps, chance } = outline(values, set) ?? {};
    expect(steps).toBe(20 * Math.floor(8000 / 256));
    expect(chance).toBeCloseTo(Math.log(511), 6);
  });

  it('says nothing while the form holds no sensible numbers', () => {
    expect(outline({ ...values, epochs: '' }, set)).toBeNull();
  });
});

describe('the batch size', () => {
  function batch(trainImages: number) {
    return fieldsOf(fitBatch(groups, trainImages)).find((field) => field.path === 'batch_size');
  }

  it('starts from the largest power of two that a small set can fill', () => {
    expect([batch(28)?.initial, batch(28)?.maximum]).toEqual(['16', 28]);
  });

  it('is left as it is for a set that is large enough', () => {
    expect([batch(8000)?.initial, batch(8000)?.maximum]).toEqual([initialValues(groups)['batch_size'], 4096]);
  });
});
