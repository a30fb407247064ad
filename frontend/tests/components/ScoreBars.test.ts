import { render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';
import type { ResultOut } from '../../src/api/types';
import ResultsTable from '../../src/components/ResultsTable.svelte';
import ScoreBars from '../../src/components/ScoreBars.svelte';
import { scoreOf } from '../fixtures/score';

const result: ResultOut = {
  id: 'r1',
  job_id: 'j1',
  encoder_id: 'e1',
  encoder_name: 'Patterns, 20 epochs',
  encoder_origin: 'pretrained',
  dataset_id: 'd1',
  dataset_name: 'Patterns',
  strategy: 'knn',
  chance: 0.1,
  chosen: {},
  seconds: 4.2,
  created_at: 0,
  scores: [scoreOf('test', 2000, 0.41234, 0.391, 0.434)],
};

it('draws the interval around the bar, and chance beside it', () => {
  const { container } = render(ScoreBars, { results: [result], title: 'k-NN accuracy' });
  const bar = container.querySelector('rect');
  const whisker = container.querySelector('path')?.getAttribute('d') ?? '';
  const end = Number(bar?.getAttribute('x')) + Number(bar?.getAttribute('width'));
  const [low, high] = [...whisker.matchAll(/[MH]([\d.]+)/g)].map((found) => Number(found[1]));
  expect(low).toBeLessThan(end);
  expect(high).toBeGreaterThan(end);
  expect(Number(container.querySelector('line.chance')?.getAttribute('x1'))).toBeLessThan(end);
});

it('tells the same to those who do not see it', () => {
  render(ScoreBars, { results: [result], title: 'k-NN accuracy' });
  const figure = screen.getByRole('figure', { name: 'k-NN accuracy' });
  expect(figure.querySelector('figcaption')?.textContent).toContain(
    'Patterns, 20 epochs: 41 %, interval 39–43',
  );
});

it('lists accuracy with interval, n and chance, and no AUC where there is none', () => {
  render(ResultsTable, { results: [result], caption: 'All' });
  const row = screen.getByRole('row', { name: /Patterns, 20 epochs/ });
  expect(row.textContent).toContain('41 %');
  expect(row.textContent).toContain('(39–43)');
  expect(row.textContent).toContain('2,000');
  expect(screen.queryByRole('columnheader', { name: /AUC/ })).toBeNull();
});
