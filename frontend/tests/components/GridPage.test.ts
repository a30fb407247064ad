import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import type { GridCell, GridDetail } from '../../src/api/types';
import GridPage from '../../src/pages/GridPage.svelte';
import { FakeLab } from '../fixtures/lab';
import { scoreOf } from '../fixtures/score';

const config = { strategy: 'linear_probe', solver: 'sgd' };
const cell = (place: number, changes: Partial<GridCell>): GridCell => ({
  place,
  encoder_id: '01e',
  encoder_name: 'Beetles, 20 epochs',
  config: { ...config, seed: place },
  state: 'queued',
  job_id: `j${place}`,
  result_id: null,
  scores: [],
  error: null,
  ...changes,
});
const CELLS = [
  cell(0, { state: 'computed', result_id: 'r0', scores: [scoreOf('test', 100, 0.8, 0.7, 0.9)] }),
  cell(1, { state: 'running' }),
  cell(2, {}),
];
const none = { computed: 0, missing: 0, queued: 0, running: 0, paused: 0, failed: 0, cancelled: 0 };
const grid = (changes: Partial<GridDetail> = {}): GridDetail => ({
  id: '01g',
  name: 'Three seeds',
  submitter: '',
  dataset_id: 'd1',
  desired: 'run',
  cells: 3,
  counts: { ...none, computed: 1, running: 1, queued: 1 },
  is_over: false,
  seconds_left: 60,
  created_at: 0,
  asked: {},
  items: CELLS,
  ...changes,
});
const PAUSED = grid({ desired: 'pause', counts: { ...none, computed: 1, paused: 2 } });

let lab: FakeLab;
beforeEach(async () => {
  lab = new FakeLab();
  lab.answers['GET /api/grids/01g'] = grid();
  render(GridPage, { id: '01g' });
  await screen.findByRole('heading', { level: 1, name: 'Three seeds' });
});

/** The grid once the button was pressed: what it was asked, and how it stands then. */
async function press(name: string, route: string, then: GridDetail): Promise<void> {
  lab.answers[route] = then;
  lab.answers['GET /api/grids/01g'] = then;
  await fireEvent.click(screen.getByRole('button', { name }));
  expect(lab.sent(route)).toHaveLength(1);
}

describe('the page of a grid', () => {
  it('leads from a cell to its result, or to its job while there is none', () => {
    const marks = within(screen.getByRole('region', { name: 'Transfers of this grid' })).getAllByRole('link');
    expect(marks.map((mark) => mark.getAttribute('href'))).toEqual(['/results/r0', '/jobs/j1', '/jobs/j2']);
    expect(marks[0]?.getAttribute('aria-label')).toMatch(/^Seed 0: .*80 %.*Linear probe, SGD of Beetles/);
    expect(screen.getByRole('status').textContent).toContain('1 of 3 transfers done, 1 running, 1 waiting');
  });

  it('pauses and resumes it as one', async () => {
    await press('Pause', 'POST /api/grids/01g/pause', PAUSED);
    expect(await screen.findByText(/2 paused/)).toBeTruthy();
    expect(screen.queryByRole('button', { name: 'Pause' })).toBeNull();
    await press('Resume', 'POST /api/grids/01g/resume', grid());
    expect(await screen.findByText(/1 running/)).toBeTruthy();
  });

  it('cancels it as one, and tries the rest again', async () => {
    const cancelled = grid({
      desired: 'cancel',
      is_over: true,
      counts: { ...none, computed: 1, cancelled: 2 },
    });
    await press('Cancel grid', 'POST /api/grids/01g/cancel', cancelled);
    expect(await screen.findByText(/2 cancelled/)).toBeTruthy();
    expect(screen.queryByRole('progressbar')).toBeNull();
    await press('Resume', 'POST /api/grids/01g/resume', grid());
    expect(await screen.findByRole('progressbar')).toBeTruthy();
  });

  it('says why it could not be paused, and how it stands', async () => {
    lab.refuse('POST /api/grids/01g/pause', 409, { code: 'not_possible_now', message: 'It is over.' });
    lab.answers['GET /api/grids/01g'] = grid({ is_over: true, counts: { ...none, computed: 3 } });
    await fireEvent.click(screen.getByRole('button', { name: 'Pause' }));
    expect(await screen.findByText('It is over.')).toBeTruthy();
    expect(screen.getByRole('status').textContent).toContain('3 of 3 transfers done');
  });
});
