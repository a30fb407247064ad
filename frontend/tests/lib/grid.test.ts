import { describe, expect, it } from 'vitest';
import type { Configs } from '../../src/api/client';
import type { GridCell, GridOut } from '../../src/api/types';
import * as grid from '../../src/lib/grid';
import { allowedOf, gridText, matrixOf } from '../../src/lib/gridMatrix';
import schemas from '../fixtures/configs.json';

const configs = schemas as unknown as Configs;
const query = (search: string): URLSearchParams => new URLSearchParams(search);

describe('the axes of a grid', () => {
  it('leave out of the request what is usual', () => {
    const axes = grid.axesOf(query('encoders=e1'));
    const forms = {
      knn: grid.formOf(configs, 'knn', query('')),
      linear_probe: grid.formOf(configs, 'linear_probe', query('')),
      fine_tune: grid.formOf(configs, 'fine_tune', query('')),
    };
    const asked = grid.gridOf('d1', axes, forms);
    expect(asked).toMatchObject({ depths: [], fractions: [], shots: [], seeds: [], from_scratch: false });
    expect(asked.strategies.map(({ strategy }) => strategy)).toEqual(['knn', 'linear_probe']);
  });

  it('take nonsense in an address for the usual', () => {
    const axes = grid.axesOf(query('depths=9,x&labels=2,0,s0,-1&seeds=1.5'));
    expect(axes).toMatchObject({ depths: ['all'], labels: ['1'], seeds: ['0'] });
  });

  it('are not asked for twice: no strategy shows what an axis says', () => {
    const paths = grid
      .ownGroups(configs, 'fine_tune')
      .flatMap(({ fields }) => fields.map(({ path }) => path));
    for (const path of ['seed', 'unfrozen_blocks', 'start', 'labels.fraction', 'labels.shots', 'labels.seed'])
      expect(paths).not.toContain(path);
    expect(paths).toContain('layer_decay');
  });

  it('stay in their order, whichever was ticked first', () => {
    expect(grid.toggled(['0'], 'all', grid.DEPTHS)).toEqual(['all', '0']);
    expect(grid.toggled(['all', '0'], 'all', grid.DEPTHS)).toEqual(['0']);
  });
});

function cell(place: number, config: Record<string, unknown>, encoder = 'e1'): GridCell {
  return {
    place,
    encoder_id: encoder,
    encoder_name: encoder,
    config,
    state: 'queued',
    job_id: 'j',
    result_id: null,
    scores: [],
    error: null,
  };
}

it('lays seeds of the same work into one field of the matrix', () => {
  const matrix = matrixOf([
    cell(0, { strategy: 'knn' }),
    cell(1, { strategy: 'fine_tune', seed: 0 }),
    cell(2, { strategy: 'fine_tune', seed: 1 }),
    cell(3, { strategy: 'fine_tune', seed: 0 }, 'e2'),
    cell(4, { strategy: 'fine_tune', start: 'scratch' }),
  ]);
  expect(matrix.columns).toEqual(['k-NN', 'Fine-tuning', 'From scratch']);
  expect(matrix.rows.map(({ encoder, cells }) => [encoder, ...cells.map((seeds) => seeds.length)])).toEqual([
    ['e1', 1, 2, 0],
    ['e2', 0, 1, 0],
    ['New weights', 0, 0, 1],
  ]);
  expect(matrix.hasLabels).toBe(false);
});

describe('a grid', () => {
  const counts = { computed: 3, missing: 0, queued: 0, running: 0, paused: 0, failed: 0, cancelled: 0 };
  const standing = (changes: Partial<GridOut['counts']>, desired: GridOut['desired'] = 'run'): GridOut =>
    ({ counts: { ...counts, ...changes }, cells: 5, desired, seconds_left: 90, is_over: false }) as GridOut;

  it('says how far it is', () => {
    expect(gridText(standing({ running: 1, queued: 1 }))).toBe(
      '3 of 5 transfers done, 1 running, 1 waiting; about 2 min of work waits',
    );
  });

  it('can be paused while it runs, resumed while it rests, and tried again where it broke', () => {
    expect(allowedOf(standing({ queued: 2 }))).toEqual({ pause: true, resume: false, cancel: true });
    expect(allowedOf(standing({ paused: 2 }, 'pause'))).toEqual({ pause: false, resume: true, cancel: true });
    const broken = { ...standing({ failed: 2 }), is_over: true };
    expect(allowedOf(broken)).toEqual({ pause: false, resume: true, cancel: false });
    expect(allowedOf({ ...standing({ computed: 5 }), is_over: true })).toEqual({
      pause: false,
      resume: false,
      cancel: false,
    });
  });
});
