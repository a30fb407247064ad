import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import type { DatasetOut } from '../../src/api/types';
import TrainForm from '../../src/components/TrainForm.svelte';
import { groupsOf, type ConfigSchema } from '../../src/lib/configForm';
import { location } from '../../src/state/location.svelte';
import { sender } from '../../src/state/sender.svelte';
import schemas from '../fixtures/configs.json';
import { job, unknown } from '../fixtures/job';
import { FakeLab } from '../fixtures/lab';

const groups = groupsOf(schemas.pretrain as ConfigSchema);
const set = { id: 'd1', name: 'Patterns', n: 11000, split_sizes: { train: 8000, val: 1000, test: 2000 } };
interface Sent {
  kind: string;
  config: Record<string, unknown>;
  submitter: string | null;
  priority: number;
}

let lab: FakeLab;
beforeEach(() => {
  lab = new FakeLab();
  lab.answers['POST /api/jobs'] = job({ id: '01job' });
  lab.answers['POST /api/jobs/estimate'] = unknown;
  sender.rename('');
  location.go('/train?dataset=d1');
  render(TrainForm, { set: set as unknown as DatasetOut, groups, presets: schemas.presets.pretrain });
});

const sent = (): Sent[] => lab.sent('POST /api/jobs') as Sent[];
const type = (label: string, value: string): Promise<unknown> =>
  fireEvent.input(screen.getByLabelText(label), { target: { value } });
const start = (): Promise<unknown> =>
  fireEvent.click(screen.getByRole('button', { name: 'Start pretraining' }));

describe('starting a pretraining', () => {
  it('sends the whole recipe once and goes to the job', async () => {
    await type('Epochs', '3');
    await start();
    await waitFor(() => expect(location.path).toBe('/jobs/01job'));
    expect(sent()).toHaveLength(1);
    expect(sent()[0]?.kind).toBe('pretrain');
    expect(sent()[0]?.config['epochs']).toBe(3);
    expect(sent()[0]?.config['augment']).toEqual(schemas.pretrain.properties.augment.default);
    expect(lab.asked.find(({ route }) => route === 'POST /api/jobs')?.key).toMatch(/^[0-9a-f]{32}$/);
  });

  it('keeps what is typed in the address', async () => {
    await type('Temperature', '0.5');
    expect(location.search).toBe('?dataset=d1&temperature=0.5');
  });

  it('starts from a preset, whose differences stand in the address, and sends it whole', async () => {
    const picker = screen.getByLabelText<HTMLSelectElement>('Start from');
    expect(picker.value).toBe('small-photos');
    await fireEvent.change(picker, { target: { value: 'coursework-xray' } });
    expect(location.search).toContain('encoder.architecture=resnet50');
    await waitFor(() => expect(picker.value).toBe('coursework-xray'));
    await start();
    await waitFor(() => expect(sent()).toHaveLength(1));
    const preset = schemas.presets.pretrain.find(({ name }) => name === 'coursework-xray');
    expect(sent()[0]?.config).toEqual(preset?.config);
    await type('Epochs', '7');
    await waitFor(() => expect(picker.value).toBe(''));
  });

  it('does not send what the limits refuse, and says so at the field', async () => {
    await type('Epochs', '0');
    expect(screen.getByText(/0 is out of range/)).toBeTruthy();
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Start pretraining' }).disabled).toBe(true);
  });

  it('lays a complaint of the lab at its field and keeps what was typed', async () => {
    lab.refuse('POST /api/jobs', 422, {
      code: 'invalid',
      message: 'The recipe cannot be used.',
      fields: [{ path: 'config.epochs', message: 'At most 50 here.' }],
    });
    await type('Epochs', '60');
    await start();
    expect(await screen.findByText('At most 50 here.')).toBeTruthy();
    expect(screen.getByRole('alert').textContent).toContain('The recipe cannot be used.');
    expect(screen.getByLabelText<HTMLInputElement>('Epochs').value).toBe('60');
  });

  it('says who asks and how pressing it is, and keeps the name for the next time', async () => {
    await type('Your name', ' Ada ');
    await fireEvent.change(screen.getByLabelText('Priority'), { target: { value: 'high' } });
    expect(screen.getByText(/· by Ada, high priority/)).toBeTruthy();
    expect(location.search).toContain('priority=high');
    await start();
    await waitFor(() => expect(sent()).toHaveLength(1));
    expect([sent()[0]?.submitter, sent()[0]?.priority]).toEqual(['Ada', 1]);
    expect(localStorage.getItem('submitter')).toBe(' Ada ');
  });
});

describe('the estimate beside the form', () => {
  const told = (): string => document.querySelector('dl')?.textContent.replace(/\s+/g, ' ') ?? '';

  it('says that nothing is known where no like job has run', async () => {
    await waitFor(() => expect(told()).toContain('not known: no like job has run here yet'));
    expect(told()).toContain('Steps 620');
  });

  it('asks again while a few steps are being tried, until they tell', async () => {
    const answers = [
      { ...unknown, pending: true },
      { ...unknown, seconds: 120, source: 'dry_run' },
    ];
    lab.answers['POST /api/jobs/estimate'] = () => answers.shift() ?? unknown;
    await waitFor(() => expect(told()).toContain('a few steps are being tried'));
    await waitFor(() => expect(told()).toContain('about 2 min by a dry run'), { timeout: 10_000 });
    expect(answers).toEqual([]);
  });

  it('says what would fit where memory does not', async () => {
    lab.answers['POST /api/jobs/estimate'] = { ...unknown, advice: 'A batch of 64 would fit.' };
    expect(await screen.findByText('A batch of 64 would fit.')).toBeTruthy();
  });

  it('follows the choices, and an answer to an earlier one never shows', async () => {
    const release: (() => void)[] = [];
    lab.answers['POST /api/jobs/estimate'] = async (body: unknown) => {
      await new Promise<void>((resolve) => release.push(resolve));
      const { epochs } = (body as Sent).config;
      return { ...unknown, seconds: 60 * Number(epochs), peak_bytes: 2 ** 30, source: 'history', jobs: 2 };
    };
    await type('Epochs', '30');
    await waitFor(() => expect(release).toHaveLength(1));
    await type('Epochs', '40');
    await waitFor(() => expect(release).toHaveLength(2));
    release[1]?.();
    await waitFor(() => expect(told()).toContain('about 40 min as 2 like jobs took'));
    release[0]?.();
    await waitFor(() => expect(told()).toContain('Memory up to 1.0 GiB'));
    expect(told()).toContain('about 40 min');
  });

  it('asks nothing while a field cannot be used', async () => {
    await waitFor(() => expect(lab.sent('POST /api/jobs/estimate')).toHaveLength(1));
    await type('Epochs', '0');
    await waitFor(() => expect(told()).not.toContain('Time'));
    await type('Epochs', '9');
    const asked = (): Sent[] => lab.sent('POST /api/jobs/estimate') as Sent[];
    await waitFor(() => expect(asked().map(({ config }) => config['epochs'])).toEqual([10, 9]));
  });
});
