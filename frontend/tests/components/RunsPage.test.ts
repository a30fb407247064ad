import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import type { JobEvent } from '../../src/api/types';
import RunsPage from '../../src/pages/RunsPage.svelte';
import { location } from '../../src/state/location.svelte';
import { evaluation, job, progress } from '../fixtures/job';
import { FakeLab } from '../fixtures/lab';
import { chartsAreWide } from '../fixtures/width';

const RUNS = [
  job({ id: '01a', name: 'Cool', config: { epochs: 2, temperature: 0.1 } }),
  job({ id: '01b', name: 'Hot', config: { epochs: 2, temperature: 5 } }),
];
const look = (seq: number, epoch: number, accuracy: number): JobEvent => ({
  ...evaluation(seq, { step: 20 * epoch, epoch }, accuracy),
  uniformity: -2.5 - accuracy,
  rank_h: 60 * accuracy,
});

let lab: FakeLab;
beforeEach(() => {
  lab = new FakeLab();
  chartsAreWide();
  lab.answers['GET /api/jobs'] = { items: RUNS };
  for (const run of RUNS) lab.answers[`GET /api/jobs/${run.id}`] = run;
});

describe('the page of runs', () => {
  it('lays what is ticked over each other, and says in which settings and how they ended', async () => {
    location.go('/runs');
    render(RunsPage);
    for (const name of [/^Cool/, /^Hot/])
      await fireEvent.click(await screen.findByRole('checkbox', { name }));
    expect(location.search).toBe('?runs=01a,01b');
    for (const [i, stream] of lab.streams.filter(({ readyState }) => readyState === 1).entries())
      stream.send(
        look(1, 0, 0.2),
        { seq: 2, at: 2, ...progress(20, 40, null), loss: 5 - i },
        look(3, 1, 0.5 + 0.2 * i),
      );
    const titles = ['NT-Xent loss', 'k-NN accuracy on validation images', 'Effective rank of h'];
    for (const title of [...titles, 'Effective rank of z', 'Alignment and uniformity']) {
      const chart = await screen.findByRole('group', { name: title });
      for (const name of ['Cool', 'Hot']) await within(chart).findAllByText(name);
    }
    // Nobody measured one.
    expect(screen.queryByRole('group', { name: 'Online linear probe' })).toBeNull();
    const table = screen.getByRole('row', { name: /^Setting/ }).closest('table');
    const rows = [...(table?.rows ?? [])].map(({ cells }) =>
      [...cells].map((cell) => cell.textContent?.trim()),
    );
    expect(rows).toEqual([
      ['Setting', 'Cool', 'Hot'],
      ['Temperature', '0.1', '5'],
      ['Loss at the end', '5.000', '4.000'],
      ['k-NN accuracy at the end', '50 %', '70 %'],
      ['Rank of h at the end', '30.0', '42.0'],
    ]);
  });
});
