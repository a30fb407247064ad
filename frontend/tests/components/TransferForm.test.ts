import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import type { DatasetOut, GridPlan } from '../../src/api/types';
import type { Configs } from '../../src/api/client';
import TransferForm from '../../src/components/TransferForm.svelte';
import { location } from '../../src/state/location.svelte';
import { encoders } from '../../src/state/shelf.svelte';
import schemas from '../fixtures/configs.json';
import { FakeLab } from '../fixtures/lab';

const set = { id: 'd1', name: 'Patterns', n: 11000 } as unknown as DatasetOut;
const named = (id: string) => ({
  id,
  name: id,
  origin: 'pretrained',
  dataset_id: 'd1',
  feature_dim: 64,
  job_id: null,
  run_id: null,
});
const PLAN: GridPlan = {
  cells: 8,
  computed: 2,
  under_way: 0,
  to_compute: 6,
  seconds: 240,
  unestimated: 1,
  left_out: [{ encoder_id: '01f', strategy: 'fine_tune', reason: '01f has no network to train' }],
  notes: [],
};

let lab: FakeLab;
beforeEach(async () => {
  lab = new FakeLab();
  lab.answers['GET /api/encoders'] = { items: [named('01e'), named('01f')] };
  lab.answers['POST /api/grids/plan'] = PLAN;
  lab.answers['POST /api/grids'] = { id: '01g' };
  await encoders.reload();
});

function open(address: string): void {
  location.go(address);
  render(TransferForm, { set, configs: schemas as unknown as Configs });
}

function openOthers(): void {
  const others = screen.getByText(/^Other encoders/).closest('details');
  if (others) others.open = true;
  others?.dispatchEvent(new Event('toggle'));
}

describe('the form of transfers', () => {
  it('says how many jobs a grid makes, how many are done, how long the rest takes, and what is left out', async () => {
    open('/transfer?dataset=d1&encoders=01e,01f&strategies=knn,fine_tune');
    const plan = await screen.findByText('about 4 min, without 1 job of a kind not seen yet');
    expect(plan.closest('dl')?.textContent).toMatch(/Jobs\s*8 .*Done already\s*2/s);
    expect(screen.getByText(/Left out: 01f has no network to train/)).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Start 6 jobs' })).toBeTruthy();
  });

  it('asks once for what was ticked last, and never shows the answer to an earlier choice', async () => {
    open('/transfer?dataset=d1&encoders=01e&strategies=knn');
    for (const name of ['Linear probe', '1', '2'])
      await fireEvent.click(screen.getByRole('checkbox', { name }));
    await screen.findByText('about 4 min, without 1 job of a kind not seen yet');
    expect(lab.sent('POST /api/grids/plan')).toMatchObject([
      { strategies: [{ strategy: 'knn' }, { strategy: 'linear_probe' }], seeds: [0, 1, 2] },
    ]);
  });

  it('has its choices in the address, so that a copied job fills it', async () => {
    open(
      '/transfer?dataset=d1&encoders=01e&strategies=fine_tune&fine_tune.epochs=7&depths=2,0&labels=0.1,s10',
    );
    expect(screen.getByLabelText<HTMLInputElement>('Epochs').value).toBe('7');
    await fireEvent.input(screen.getByLabelText('Epochs'), { target: { value: '8' } });
    expect(location.search).toContain('fine_tune.epochs=8');
    await fireEvent.click(await screen.findByRole('button', { name: 'Start 6 jobs' }));
    await waitFor(() => expect(location.path).toBe('/grids/01g'));
    expect(lab.sent('POST /api/grids')).toMatchObject([
      { strategies: [{ strategy: 'fine_tune', epochs: 8 }], depths: [2, 0], fractions: [0.1], shots: [10] },
    ]);
  });

  it('offers the weights of ImageNet that are on the server, says where the others belong, and ticks what is added', async () => {
    const file = (architecture: string, is_here: boolean) => ({
      architecture,
      path: `/cache/${architecture}`,
      is_here,
    });
    lab.answers['GET /api/encoders/imagenet'] = { files: [file('resnet18', true), file('resnet50', false)] };
    lab.answers['POST /api/encoders'] = named('01i');
    open('/transfer?dataset=d1&encoders=01e&strategies=knn');
    openOthers();
    const add = await screen.findByRole('button', { name: 'Add resnet18' });
    expect(screen.getByText('/cache/resnet50')).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Add resnet50' })).toBeNull();
    lab.answers['GET /api/encoders'] = { items: [named('01e'), named('01f'), named('01i')] };
    await fireEvent.click(add);
    await waitFor(() => expect(location.search).toContain('encoders=01e,01i'));
    expect(lab.sent('POST /api/encoders')).toMatchObject([
      { origin: 'imagenet', architecture: 'resnet18', dataset_id: 'd1' },
    ]);
  });

  it('offers the saved epochs and checkpoints of a ticked run, one or all of them', async () => {
    const state = (id: string, epoch: number) => ({
      ...named(id),
      run_id: '01j',
      step: 3 * epoch,
      epoch,
      listed: false,
    });
    const made = [state('01s', 0), state('01t', 1), state('01u', 2)];
    lab.answers['GET /api/encoders'] = { items: [{ ...named('01e'), job_id: '01j' }, ...made.slice(0, 2)] };
    await encoders.reload();
    lab.answers['GET /api/encoders/imagenet'] = { files: [] };
    lab.answers['GET /api/jobs/01j/checkpoints'] = {
      items: [
        { step: 6, epoch: 2, knn_accuracy: 0.5, encoder_id: null },
        { step: 3, epoch: 1, knn_accuracy: 0.4, encoder_id: null },
      ],
    };
    open('/transfer?dataset=d1&encoders=01e&strategies=knn');
    openOthers();
    await screen.findByRole('button', { name: 'untrained, step 0' });
    expect(screen.getByRole('button', { name: 'epoch 1, step 3, k-NN 40 %' })).toBeTruthy();
    lab.answers['POST /api/encoders'] = made[2];
    await fireEvent.click(screen.getByRole('button', { name: 'All 3' }));
    await waitFor(() => expect(location.search).toContain('encoders=01e,01u'));
    expect(lab.sent('POST /api/encoders')).toMatchObject(
      [0, 3, 6].map((step) => ({ origin: 'checkpoint', job_id: '01j', step })),
    );
  });

  it('sends a grid once, also where a first try was refused', async () => {
    open('/transfer?dataset=d1&encoders=01e,01f&strategies=knn');
    lab.refuse('POST /api/grids', 503, { code: 'busy', message: 'The catalogue is busy.' });
    await fireEvent.click(await screen.findByRole('button', { name: 'Start 6 jobs' }));
    await screen.findByText('The catalogue is busy.');
    lab.answers['POST /api/grids'] = { id: '01g' };
    await fireEvent.click(screen.getByRole('button', { name: 'Start 6 jobs' }));
    await waitFor(() => expect(location.path).toBe('/grids/01g'));
    const keys = lab.asked.filter(({ route }) => route === 'POST /api/grids').map(({ key }) => key);
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
  });
});
