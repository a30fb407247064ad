import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import ResultPage from '../../src/pages/ResultPage.svelte';
import { location } from '../../src/state/location.svelte';
import { results } from '../../src/state/shelf.svelte';
import schemas from '../fixtures/configs.json';
import { FakeLab } from '../fixtures/lab';
import { detailed, result } from '../fixtures/result';
import { chartsAreWide } from '../fixtures/width';

const config = { strategy: 'fine_tune', epochs: 3, seed: 4, labels: { fraction: 0.1, seed: 4 } };
const curve = [0.6, 0.8, 0.7].map((val_accuracy, i) => ({ epoch: i + 1, loss: 1 / (i + 1), val_accuracy }));

let lab: FakeLab;
beforeEach(async () => {
  lab = new FakeLab();
  chartsAreWide();
  const told = { ...detailed({ curve, chosen: { epoch: 2 } }), strategy: 'fine_tune', config };
  lab.answers['GET /api/configs'] = schemas;
  lab.answers['GET /api/results/01r'] = told;
  lab.answers['GET /api/results/01r/mistakes'] = { total: 0, items: [] };
  const other = { ...config, seed: 5, labels: { fraction: 0.1, seed: 5 } };
  lab.answers['GET /api/results'] = {
    items: [told, result({ id: '01s', strategy: 'fine_tune', config: other })],
  };
  await results.reload();
  location.go('/results/01r');
  render(ResultPage, { id: '01r' });
  await screen.findByRole('heading', { level: 2, name: 'What stands behind it' });
});

describe('the page of a result', () => {
  it('shows how it learned, and all that stands behind its score', async () => {
    for (const name of [
      'Validation accuracy by epoch',
      'Loss by epoch',
      'ROC on test images',
      'Reliability on test images',
    ])
      expect(screen.getByRole('group', { name }).querySelector('path.line, path.mark')).toBeTruthy();
    const classes = screen.getByRole('row', { name: /^Class/ }).closest('table')?.rows ?? [];
    expect([...classes].map(({ cells }) => cells[0]?.textContent?.trim())).toEqual(['Class', 'bee', 'wasp']);
    await screen.findByText('None: every test image was answered rightly.');
  });

  it('says with what it was made, leads to its other seeds, and how to have it again', async () => {
    const made = screen.getByRole('region', { name: 'How it was made' });
    for (const fact of ['epoch 2', 'Beetles, content abababababab', 'cdcdcdcdcdcd', 'torch 2', '1 s on cpu'])
      expect(within(made).getByText(fact)).toBeTruthy();
    expect(screen.getByRole('link', { name: '5' }).getAttribute('href')).toBe('/results/01s');
    const again = await screen.findByRole('region', { name: 'Run this again' });
    expect(again.textContent).toMatch(/--epochs 3 .*--seed 4 .*--labels-fraction 0.1 .*--labels-seed 4/s);
    expect(again.textContent).toContain('labels=LabelsConfig(fraction=0.1, seed=4)');
  });

  it('opens the images behind a cell of the confusion, and notes that in the address', async () => {
    const cell = screen.getByRole('button', { name: /^wasp taken for bee: 9 images/ });
    await fireEvent.click(cell);
    expect(location.query.get('cell')).toBe('1-0');
    expect(await screen.findByRole('dialog', { name: /wasp taken for bee/ })).toBeTruthy();
  });
});
