import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import type { DatasetOut } from '../../src/api/types';
import type { Configs } from '../../src/api/client';
import TransferForm from '../../src/components/TransferForm.svelte';
import { location } from '../../src/state/location.svelte';
import { encoders } from '../../src/state/shelf.svelte';
import schemas from '../fixtures/configs.json';
import { job, unknown } from '../fixtures/job';
import { FakeLab } from '../fixtures/lab';

const set = { id: 'd1', name: 'Patterns', n: 11000 } as unknown as DatasetOut;
const named = (id: string) => ({ id, name: id, origin: 'pretrained', dataset_id: 'd1', feature_dim: 64 });
interface Sent {
  encoder_id: string;
  config: { strategy: string; epochs?: number };
}

let lab: FakeLab;
beforeEach(async () => {
  lab = new FakeLab();
  lab.answers['GET /api/encoders'] = { items: [named('01e'), named('01f')] };
  lab.answers['POST /api/jobs'] = job({ kind: 'transfer' });
  lab.answers['POST /api/jobs/estimate'] = (body: unknown) => ({
    ...unknown,
    seconds: (body as Sent).config.strategy === 'knn' ? 20 : null,
  });
  await encoders.reload();
});

function open(address: string): void {
  location.go(address);
  render(TransferForm, { set, configs: schemas as unknown as Configs });
}

describe('the form of transfers', () => {
  it('asks once a strategy, and says what all its jobs take and what nobody knows', async () => {
    open('/transfer?dataset=d1&encoders=01e,01f');
    await screen.findByText('about 40 s without Linear probe');
    expect(screen.getByText('about 20 s, 2 times', { exact: false })).toBeTruthy();
    expect(lab.sent('POST /api/jobs/estimate')).toHaveLength(2);
  });

  it('has its choices in the address, so that a copied job fills it', async () => {
    open('/transfer?dataset=d1&encoders=01e&strategies=fine_tune&fine_tune.epochs=7');
    expect(screen.getByLabelText<HTMLInputElement>('Epochs').value).toBe('7');
    await fireEvent.input(screen.getByLabelText('Epochs'), { target: { value: '8' } });
    expect(location.search).toContain('fine_tune.epochs=8');
    await fireEvent.click(screen.getByRole('button', { name: 'Start 1 job' }));
    await waitFor(() => expect(lab.sent('POST /api/jobs')).toHaveLength(1));
    expect((lab.sent('POST /api/jobs')[0] as Sent).config).toMatchObject({
      strategy: 'fine_tune',
      epochs: 8,
    });
  });

  it('sends every job once, also where a try between was refused', async () => {
    open('/transfer?dataset=d1&encoders=01e,01f&strategies=knn');
    const keys = (): (string | null)[] =>
      lab.asked.filter(({ route }) => route === 'POST /api/jobs').map(({ key }) => key);
    lab.refuse('POST /api/jobs', 503, { code: 'busy', message: 'The catalogue is busy.' });
    await fireEvent.click(screen.getByRole('button', { name: 'Start 2 jobs' }));
    await screen.findByText('The catalogue is busy.');
    lab.answers['POST /api/jobs'] = job({ kind: 'transfer' });
    await fireEvent.click(screen.getByRole('button', { name: 'Start 2 jobs' }));
    await waitFor(() => expect(keys()).toHaveLength(3));
    expect(new Set(keys()).size).toBe(2);
  });
});
