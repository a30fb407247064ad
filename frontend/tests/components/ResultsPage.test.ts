import { render, screen, within } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import ResultsPage from '../../src/pages/ResultsPage.svelte';
import { location } from '../../src/state/location.svelte';
import { datasets } from '../../src/state/shelf.svelte';
import { dataset } from '../fixtures/dataset';
import { FakeLab } from '../fixtures/lab';
import { result } from '../fixtures/result';

let lab: FakeLab;

beforeEach(() => {
  lab = new FakeLab();
  lab.answers['GET /api/results'] = { items: [result()] };
  location.go('/results');
});

describe('the page of results', () => {
  it.each([
    ['another set is there', [dataset()]],
    ['no set is there', []],
  ])('keeps those of a set whose images were deleted when %s', async (_, items) => {
    lab.answers['GET /api/datasets'] = { items };
    await datasets.reload();
    render(ResultsPage);
    const all = await screen.findByRole('region', { name: 'All of them' });
    expect(within(all).getByRole('link', { name: 'Beetles, 20 epochs' })).toBeTruthy();
    expect(within(all).getByText('Beetles')).toBeTruthy();
  });
});
