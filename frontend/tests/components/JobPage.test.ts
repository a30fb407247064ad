import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import type { JobEvent, JobOut, JobState } from '../../src/api/types';
import JobPage from '../../src/pages/JobPage.svelte';
import { jobs } from '../../src/state/jobs.svelte';
import { location } from '../../src/state/location.svelte';
import schemas from '../fixtures/configs.json';
import { job } from '../fixtures/job';
import { FakeLab } from '../fixtures/lab';

let lab: FakeLab;

async function open(row: JobOut, others: JobOut[] = []): Promise<void> {
  lab.answers['GET /api/jobs'] = { items: [row, ...others] };
  lab.answers[`GET /api/jobs/${row.id}`] = row;
  await jobs.refresh();
  location.go(`/jobs/${row.id}`);
  render(JobPage, { id: row.id });
  await screen.findByRole('heading', { level: 1, name: row.name });
}

function state(seq: number, to: JobState, message: string): JobEvent {
  return { seq, at: 1000 + seq, kind: 'state', state: to, message };
}

beforeEach(() => {
  lab = new FakeLab();
  lab.answers['GET /api/configs'] = schemas;
});

describe('the page of a job', () => {
  it('pauses and resumes it, and says what happens meanwhile', async () => {
    const running = job();
    await open(running);
    lab.streams[0]?.send(state(1, 'running', 'The job has started.'));
    const pausing = job({ desired: 'pause' });
    lab.answers['POST /api/jobs/01a/pause'] = pausing;
    lab.answers['GET /api/jobs'] = { items: [pausing] };
    lab.answers['GET /api/jobs/01a'] = pausing;
    await fireEvent.click(screen.getByRole('button', { name: 'Pause' }));
    expect(await screen.findByText(/pausing/)).toBeTruthy();
    lab.answers['GET /api/jobs/01a'] = job({ state: 'paused', desired: 'pause' });
    lab.streams[0]?.send(state(2, 'paused', 'The job is paused.'));
    expect(await screen.findByText('paused', { exact: false, selector: '.badge' })).toBeTruthy();
    expect(screen.getByRole('button', { name: 'Resume' })).toBeTruthy();
  });

  it('tells of a crash, of the way on, and of what is saved', async () => {
    await open(job());
    const crash =
      'The job was killed by signal 9. It goes on from epoch 3 (step 120) in 5 s, attempt 2 of 3.';
    lab.streams[0]?.send(
      state(1, 'running', 'The job has started.'),
      {
        seq: 2,
        at: 1002,
        kind: 'checkpoint',
        step: 120,
        epoch: 1,
        name: 'c',
        sha256: 'f',
        knn_accuracy: null,
      },
      state(3, 'queued', crash),
    );
    await waitFor(() => expect(screen.getByRole('log').textContent).toContain(crash));
    expect(screen.getByText(/^Saved at step 120, .* ago\.$/)).toBeTruthy();
  });

  it('tries a failed job again from where it was saved, once for two clicks', async () => {
    await open(job({ state: 'failed', error: { code: 'disk', message: 'Full.' }, saved_step: 120 }));
    expect(screen.getByText(/goes on from step 120/)).toBeTruthy();
    lab.answers['POST /api/jobs/01a/again'] = job({ id: '01z', continues: '01a' });
    const again = screen.getByRole('button', { name: 'Try again' });
    await fireEvent.click(again);
    await fireEvent.click(again);
    await waitFor(() => expect(location.path).toBe('/jobs/01z'));
    const keys = lab.asked.filter(({ route }) => route.endsWith('/again')).map(({ key }) => key);
    expect(new Set(keys).size).toBe(1);
    expect(lab.sent('POST /api/jobs/01a/again')[0]).toEqual({ epochs: null });
  });

  it('offers twice as many epochs after a pretraining, and refuses what is not more', async () => {
    await open(job({ state: 'succeeded', saved_step: 620 }));
    const field = screen.getByLabelText<HTMLInputElement>('More epochs, in all');
    expect(field.value).toBe('20');
    await fireEvent.input(field, { target: { value: '10' } });
    expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Go on' }).disabled).toBe(true);
    await fireEvent.input(field, { target: { value: '15' } });
    lab.answers['POST /api/jobs/01a/again'] = job({ id: '01z', continues: '01a' });
    await fireEvent.click(screen.getByRole('button', { name: 'Go on' }));
    await waitFor(() => expect(location.path).toBe('/jobs/01z'));
    expect(lab.sent('POST /api/jobs/01a/again')).toEqual([{ epochs: 15 }]);
  });

  it('links to the job before it, to those after it, and to a copy', async () => {
    const before = job({ id: '01b', name: 'Before', state: 'failed' });
    const after = job({ id: '01c', name: 'After', continues: '01a' });
    await open(job({ state: 'succeeded', continues: '01b', config: { epochs: 7 } }), [before, after]);
    expect(screen.getByRole('link', { name: 'Before' }).getAttribute('href')).toBe('/jobs/01b');
    expect(screen.getByRole('link', { name: 'After' }).getAttribute('href')).toBe('/jobs/01c');
    const copy = await screen.findByRole('link', { name: 'Copy and edit' });
    expect(copy.getAttribute('href')).toContain('/train?dataset=d1&epochs=7');
  });

  it('sets what it took and held against what was predicted, and says who asked and where it ran', async () => {
    const measured = { spent_s: 200, predicted_s: 240, peak_bytes: 2 ** 30, predicted_peak_bytes: 2 ** 29 };
    await open(job({ state: 'succeeded', submitter: 'Ada', device: 'cuda:0, bfloat16', ...measured }));
    for (const fact of [
      'Took 3 min, predicted 4 min.',
      'Up to 1.0 GiB of memory, predicted 512 MiB.',
      'On cuda:0, bfloat16.',
    ])
      expect(screen.getByText(fact)).toBeTruthy();
    expect(screen.getByText(/by Ada/)).toBeTruthy();
  });

  it('follows the row while the stream is broken off', async () => {
    await open(job());
    lab.streams[0]?.send(state(1, 'running', 'The job has started.'));
    lab.answers['GET /api/jobs'] = { items: [job({ state: 'queued', position: 1, starts_in_s: 5 })] };
    lab.streams[0]?.breakOff();
    expect(await screen.findByText(/^1st in line, in about 5 s\./)).toBeTruthy();
    expect(screen.getByText(/broke off/)).toBeTruthy();
  });
});
