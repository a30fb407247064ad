import { fireEvent, render, screen } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import ReportPanel from '../../src/components/ReportPanel.svelte';
import { location } from '../../src/state/location.svelte';
import { FakeLab } from '../fixtures/lab';
import { report } from '../fixtures/report';
import { dataset } from '../fixtures/dataset';

let lab: FakeLab;

beforeEach(() => {
  lab = new FakeLab();
  location.go('/data/01s');
});

describe('the report of a set', () => {
  it('says that it is being made, and how many come before it', async () => {
    lab.answers['GET /api/datasets/01s/report'] = () => Response.json({ before: 2 }, { status: 202 });
    render(ReportPanel, { set: dataset() });
    expect(await screen.findByText(/2 other reports are made first/)).toBeTruthy();
  });

  it('tells of leaks, shows their pairs, and writes the names of strangers as text', async () => {
    lab.answers['GET /api/datasets/01s/report'] = report();
    render(ReportPanel, { set: dataset() });
    expect(await screen.findByText('3 test images also stand in train')).toBeTruthy();
    await fireEvent.click(screen.getByRole('button', { name: /^Image 45 has the same pixels as image 2/ }));
    expect(location.query.get('image')).toBe('45');
    expect(screen.getByText('ant/<b>broken</b>.png')).toBeTruthy();
    const table = screen.getByRole('link', { name: 'Download as CSV' });
    expect(table.getAttribute('href')).toBe('/api/datasets/01s/skipped.csv');
  });

  it('lets the batch size be felt, and keeps it in the address', async () => {
    lab.answers['GET /api/datasets/01s/report'] = report();
    render(ReportPanel, { set: dataset() });
    const slider = await screen.findByRole('slider', { name: 'Images in a batch, N' });
    expect(slider.getAttribute('aria-valuetext')).toBe('32 images');
    await fireEvent.input(slider, { target: { value: '1' } });
    expect(slider.getAttribute('aria-valuetext')).toBe('4 images');
    expect(location.query.get('batch')).toBe('4');
    expect(screen.getByText('61.5 %')).toBeTruthy(); // (30 · 29 + 10 · 9) / (40 · 39)
  });

  it('says why there is none, and asks again', async () => {
    lab.refuse('GET /api/datasets/01s/report', 503, {
      code: 'report_failed',
      message: 'It could not be made.',
    });
    render(ReportPanel, { set: dataset() });
    expect(await screen.findByText('It could not be made.')).toBeTruthy();
    lab.answers['GET /api/datasets/01s/report'] = report();
    await fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('3 test images also stand in train')).toBeTruthy();
  });
});
