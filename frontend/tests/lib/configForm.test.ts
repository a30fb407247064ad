import { describe, expect, it } from 'vitest';
import {
  fieldsOf,
  fromConfig,
  fromQuery,
  groupsOf,
  initialValues,
  placeComplaints,
  problemsIn,
  problemWith,
  toConfig,
  toQuery,
  type ConfigSchema,
  type Field,
} from '../../src/lib/configForm';
// Made by model_json_schema() of the models in simclr/config.py.
import schemas from '../fixtures/configs.json';

const pretrain = groupsOf(schemas.pretrain as ConfigSchema);
const fineTune = groupsOf(schemas.transfer.fine_tune as ConfigSchema);

function field(path: string): Field {
  const found = fieldsOf(pretrain).find((candidate) => candidate.path === path);
  if (!found) throw new Error(`no field ${path}`);
  return found;
}

describe('a form made from a schema', () => {
  it('has a group for each nested config, and the own fields first', () => {
    expect(pretrain.map((group) => group.title)).toEqual([
      'PretrainConfig',
      'Encoder',
      'Views',
      'Optimisation',
      'What is measured meanwhile',
    ]);
  });

  it('opens only the basic fields of the training', () => {
    const basic = pretrain[0]?.fields.filter(({ basic }) => basic).map(({ path }) => path);
    expect(basic).toEqual(['epochs', 'batch_size', 'temperature', 'learning_rate', 'seed']);
  });

  it('gives every field its reason', () => {
    for (const each of fieldsOf(pretrain)) expect(each.why, each.path).not.toBe('');
  });

  it('turns untouched fields into exactly the defaults of the schema', () => {
    const config = toConfig(pretrain, initialValues(pretrain));
    for (const [name, property] of Object.entries(schemas.pretrain.properties)) {
      expect(config[name], name).toEqual(property.default);
    }
  });

  it('starts a nested config from the values of the outer one', () => {
    expect(initialValues(fineTune)['augment.crop_scale_min']).toBe('0.6');
    expect(initialValues(pretrain)['augment.crop_scale_min']).toBe('0.2');
  });

  it('leaves a fixed field, such as the strategy, out of the form', () => {
    expect(fieldsOf(fineTune).map(({ path }) => path)).not.toContain('strategy');
  });
});

describe('what was typed', () => {
  it('is refused outside the limits, with the limits said', () => {
    expect(problemWith(field('epochs'), '0')).toBe('0 is out of range: enter a number from 1 to 1000.');
    expect(problemWith(field('learning_rate'), '0')).toContain('above 0, up to 10');
    expect(problemWith(field('epochs'), '2.5')).toContain('whole number');
    expect(problemWith(field('temperature'), '')).toContain('Enter a number from 0.01 to 10');
    expect(problemWith(field('encoder.stem'), 'huge')).toContain('small, strided');
  });

  it('is accepted inside them, in scientific notation too', () => {
    expect(problemWith(field('learning_rate'), '2e-3')).toBeNull();
    expect(problemsIn(pretrain, initialValues(pretrain))).toEqual({});
  });

  it('travels through the address and back', () => {
    const values = { ...initialValues(pretrain), epochs: '3', 'augment.grey_p': '0.4' };
    const query = toQuery(pretrain, values);
    expect(query['batch_size']).toBeNull();
    const search = new URLSearchParams(
      Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== null),
    );
    expect([...search.keys()]).toEqual(['epochs', 'augment.grey_p']);
    expect(fromQuery(pretrain, search)).toEqual(values);
  });

  it('can start from the config of an earlier job', () => {
    const values = fromConfig(pretrain, { epochs: 7, encoder: { stem: 'small' }, unknown: 1 });
    expect([values['epochs'], values['encoder.stem'], values['encoder.width']]).toEqual(['7', 'small', '32']);
  });

  it('may be nothing where a value may be left out, which is null', () => {
    const field = fieldsOf(fineTune).find(({ path }) => path === 'labels.shots') as Field;
    expect([field.kind, field.minimum, field.initial]).toEqual(['integer', 1, '']);
    expect([problemWith(field, ' '), problemWith(field, '5')]).toEqual([null, null]);
    expect(problemWith(field, '0')).toMatch('out of range');
    const shots = (text: string) =>
      toConfig(fineTune, { ...initialValues(fineTune), 'labels.shots': text })['labels'];
    expect(shots('')).toMatchObject({ shots: null });
    expect(shots('5')).toMatchObject({ shots: 5 });
  });
});

describe('complaints of the server', () => {
  it('stand at the field that their path ends with', () => {
    const { placed, rest } = placeComplaints(pretrain, [
      { path: 'body.pretrain.config.augment.grey_p', message: 'too large' },
      { path: 'config.epochs', message: 'too many' },
      { path: 'dataset_id', message: 'unknown' },
    ]);
    expect(placed).toEqual({ 'augment.grey_p': 'too large', epochs: 'too many' });
    expect(rest).toEqual(['dataset_id: unknown']);
  });
});
