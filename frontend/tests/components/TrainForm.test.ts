import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { DatasetOut } from '../../src/api/types';
import TrainForm from '../../src/components/TrainForm.svelte';
import { groupsOf, type ConfigSchema } from '../../src/lib/configForm';
import { location } from '../../src/state/location.svelte';
import schemas from '../fixtures/configs.json';

const groups = groupsOf(schemas.pretrain as ConfigSchema);
const set = { id: 'd1', name: 'Patterns', n: 11000, split_sizes: { train: 8000, val: 1000, test: 2000 } };

/** Answers for the lab, at the network: the only part that is not real here. */
function answer(status: number, body: unknown): Request[] {
  const requests: Request[] = [];
  vi.stubGlobal('fetch', (request: Request) => {
    if (request.method === 'POST') requests.push(request);
    const content = request.method === 'POST' ? body : { items: [] };
    return Promise.resolve(
      new Response(JSON.stringify(content), { status: request.method === 'POST' ? status : 200 }),
    );
  });
  return requests;
}

beforeEach(() => {
  location.go('/train?dataset=d1');
  render(TrainForm, { set: set as unknown as DatasetOut, groups, presets: schemas.presets.pretrain });
});

describe('starting a pretraining', () => {
  it('sends the whole recipe once and goes to the job', async () => {
    const requests = answer(201, { id: '01job' });
    await fireEvent.input(screen.getByLabelText('Epochs'), { target: { value: '3' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Start pretraining' }));
    await waitFor(() => expect(location.path).toBe('/jobs/01job'));
    expect(requests).toHaveLength(1);
    const body = (await requests[0]?.json()) as { kind: string; config: Record<string, unknown> };
    expect(body.kind).toBe('pretrain');
    expect(body.config['epochs']).toBe(3);
    expect(body.config['augment']).toEqual(schemas.pretrain.properties.augment.default);
    expect(requests[0]?.headers.get('idempotency-key')).toMatch(/^[0-9a-f]{32}$/);
  });

  it('keeps what is typed in the address', async () => {
    await fireEvent.input(screen.getByLabelText('Temperature'), { target: { value: '0.5' } });
    expect(location.search).toBe('?dataset=d1&temperature=0.5');
  });

  it('starts from a preset, whose differences stand in the address, and sends it whole', async () => {
    const requests = answer(201, { id: '01job' });
    const picker = screen.getByLabelText<HTMLSelectElement>('Start from');
    expect(picker.value).toBe('small-photos');
    await fireEvent.change(picker, { target: { value: 'coursework-xray' } });
    expect(location.search).toContain('encoder.architecture=resnet50');
    await waitFor(() => expect(picker.value).toBe('coursework-xray'));
    await fireEvent.click(screen.getByRole('button', { name: 'Start pretraining' }));
    await waitFor(() => expect(requests).toHaveLength(1));
    const body = (await requests[0]?.json()) as { config: unknown };
    const preset = schemas.presets.pretrain.find(({ name }) => name === 'coursework-xray');
    expect(body.config).toEqual(preset?.config);
    await fireEvent.input(screen.getByLabelText('Epochs'), { target: { value: '7' } });
    await waitFor(() => expect(picker.value).toBe(''));
  });

  it('does not send what the limits refuse, and says so at the field', async () => {
    await fireEvent.input(screen.getByLabelText('Epochs'), { target: { value: '0' } });
    expect(screen.getByText(/0 is out of range/)).toBeTruthy();
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Start pretraining' }).disabled).toBe(true);
  });

  it('lays a complaint of the lab at its field and keeps what was typed', async () => {
    answer(422, {
      error: {
        code: 'invalid',
        message: 'The recipe cannot be used.',
        fields: [{ path: 'config.epochs', message: 'At most 50 here.' }],
      },
    });
    await fireEvent.input(screen.getByLabelText('Epochs'), { target: { value: '60' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Start pretraining' }));
    expect(await screen.findByText('At most 50 here.')).toBeTruthy();
    expect(screen.getByRole('alert').textContent).toContain('The recipe cannot be used.');
    expect(screen.getByLabelText<HTMLInputElement>('Epochs').value).toBe('60');
  });
});
