import { render, screen } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ResultOut } from '../../src/api/types';
import ResultsPage from '../../src/pages/ResultsPage.svelte';
import { location } from '../../src/state/location.svelte';
import { datasets } from '../../src/state/shelf.svelte';
import { dataset } from '../fixtures/dataset';
import { FakeLab } from '../fixtures/lab';
import { scoreOf } from '../fixtures/score';

const result: ResultOut = {
  id: '01r',
  job_id: '01j',
  encoder_id: '01e',
  encoder_name: 'Beetles, 20 epochs',
  encoder_origin: 'pretrained',
  dataset_id: '01gone',
  dataset_name: 'Beetles',
  strategy: 'knn',
  scores: [scoreOf('test', 60, 0.8, 0.7, 0.9)],
  chance: 0.1,
  chosen: { k: 20 },
  seconds: 1,
  created_at: 0,
};

let lab: FakeLab;

beforeEach(() => {
  lab = new FakeLab();
  lab.answers['GET /api/results'] = { items: [result] };
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
    expect(await screen.findByRole('region', { name: /^Beetles · its images were deleted/ })).toBeTruthy();
    expect(screen.getByText('Beetles, 20 epochs')).toBeTruthy();
  });
});
