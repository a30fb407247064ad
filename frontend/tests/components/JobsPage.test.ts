import { fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import LabBanner from '../../src/components/LabBanner.svelte';
import JobsPage from '../../src/pages/JobsPage.svelte';
import { jobs } from '../../src/state/jobs.svelte';
import { location } from '../../src/state/location.svelte';
import { job, progress } from '../fixtures/job';
import { FakeLab, system, worker } from '../fixtures/lab';

const running = job({ name: 'First', submitter: 'Ada', device: 'cpu', progress: progress(50, 100, 180) });
const queued = job({ id: '01b', name: 'Second', state: 'queued', position: 1, starts_in_s: 240 });
const paused = job({ id: '01c', name: 'Third', state: 'paused', desired: 'pause' });
const done = job({ id: '01d', name: 'Fourth', state: 'succeeded', spent_s: 200, predicted_s: 240 });

let lab: FakeLab;
beforeEach(async () => {
  lab = new FakeLab();
  location.go('/jobs');
  lab.answers['GET /api/jobs'] = { items: [done, paused, queued, running] };
  await jobs.refresh();
});

function section(name: string): HTMLElement {
  return screen.getByRole('region', { name: new RegExp(`^${name}`) });
}

describe('the list of jobs', () => {
  it('says of each how it stands, who asked, where it runs, and its time', () => {
    render(JobsPage);
    expect(section('Running').textContent).toContain('by Ada · on cpu');
    expect(within(section('Running')).getByText('50 % · 3 min left')).toBeTruthy();
    expect(within(section('Waiting')).getByText('1st in line, in about 4 min')).toBeTruthy();
    expect(within(section('Ended')).getByText('took 3 min, predicted 4 min')).toBeTruthy();
  });

  it('offers what makes sense for each, and shows the answer at once', async () => {
    render(JobsPage);
    expect(screen.getAllByRole('button').map((button) => button.getAttribute('aria-label'))).toEqual([
      'Pause First', 'Cancel First', 'Pause Second', 'Cancel Second', 'Resume Third', 'Cancel Third',
    ]); // prettier-ignore
    lab.answers['POST /api/jobs/01a/pause'] = { ...running, desired: 'pause' };
    lab.answers['GET /api/jobs'] = { items: [{ ...running, desired: 'pause' }] };
    const button = screen.getByRole('button', { name: 'Pause First' });
    button.focus();
    await fireEvent.click(button);
    expect(await screen.findByText(/pausing/)).toBeTruthy();
    // The keyboard stays where it was.
    expect(document.activeElement).toBe(screen.getByRole('button', { name: 'Resume First' }));
  });

  it('says which workers are there and what each does', async () => {
    lab.answers['GET /api/system'] = system({
      workers_seen: [
        { ...worker, job_id: '01a' },
        { ...worker, device: 'cuda:0, bfloat16', lanes: ['short'] },
        { ...worker, device: null, device_name: null },
        { ...worker, device: null, device_name: null, lanes: ['import'] },
      ],
    });
    await jobs.refresh();
    render(JobsPage);
    const lines = within(section('Workers')).getAllByRole('listitem');
    expect(lines.map((line) => line.textContent.replace(/\s+/g, ' ').trim())).toEqual([
      'box · cpu · long and short jobs · runs First',
      'box · cuda:0, bfloat16 · short jobs only · idle',
      'box · getting ready · long and short jobs · idle',
      'box · imports, beside all else · idle',
    ]);
  });

  it('says why an action was refused', async () => {
    render(JobsPage);
    await fireEvent.click(screen.getByRole('button', { name: 'Cancel Second' }));
    expect((await screen.findByRole('alert')).textContent).toContain('/api/jobs/01b/cancel');
  });

  it('does not let an older look undo what an action answered', async () => {
    render(JobsPage);
    let release: (value: unknown) => void = () => undefined;
    lab.answers['GET /api/jobs'] = () => new Promise((resolve) => (release = resolve));
    const early = jobs.refresh();
    lab.answers['POST /api/jobs/01a/pause'] = { ...running, state: 'paused', desired: 'pause' };
    lab.answers['GET /api/jobs'] = { items: [{ ...running, state: 'paused', desired: 'pause' }] };
    await fireEvent.click(screen.getByRole('button', { name: 'Pause First' }));
    await waitFor(() => expect(jobs.find('01a')?.state).toBe('paused'));
    release({ items: [running] });
    await early;
    expect(jobs.find('01a')?.state).toBe('paused');
  });
});

describe('the banner', () => {
  it('says that the lab does not answer and that jobs go on, until it does', async () => {
    render(LabBanner);
    expect(screen.queryByRole('alert')).toBeNull();
    lab.isUp = false;
    await jobs.refresh();
    expect((await screen.findByRole('alert')).textContent).toContain('Jobs go on without this page');
    lab.isUp = true;
    await jobs.refresh();
    await waitFor(() => expect(screen.queryByRole('alert')).toBeNull());
  });

  it('says that jobs wait for a worker, and what to do', async () => {
    lab.answers['GET /api/system'] = system({ workers: 0, workers_seen: [] });
    render(LabBanner);
    await jobs.refresh();
    expect((await screen.findByRole('alert')).textContent).toContain('simclr-lab doctor');
  });

  it('says that without Redis jobs are safe and start all the same', async () => {
    lab.answers['GET /api/system'] = system({ bell: false });
    render(LabBanner);
    await jobs.refresh();
    expect((await screen.findByRole('alert')).textContent).toContain('Jobs are safe');
    lab.answers['GET /api/system'] = system();
    await jobs.refresh();
    await waitFor(() => expect(screen.queryByRole('alert')).toBeNull());
  });

  it('leaves other pages of an idle lab without a worker alone', async () => {
    lab.answers['GET /api/system'] = system({ workers: 0, workers_seen: [] });
    lab.answers['GET /api/jobs'] = { items: [done] };
    await jobs.refresh();
    location.go('/results');
    render(LabBanner);
    expect(screen.queryByRole('alert')).toBeNull();
  });
});
