import { render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';
import ResultsTable from '../../src/components/ResultsTable.svelte';
import { result } from '../fixtures/result';
import { scoreOf } from '../fixtures/score';

it('lists accuracy with interval, n and chance, and no AUC where there is none', () => {
  const scores = [scoreOf('test', 2000, 0.41234, 0.391, 0.434)];
  render(ResultsTable, { results: [result({ scores })], caption: 'All' });
  const row = screen.getByRole('row', { name: /Beetles, 20 epochs/ });
  expect(row.textContent).toContain('41 %');
  expect(row.textContent).toContain('(39–43)');
  expect(row.textContent).toContain('2,000');
  expect(screen.queryByRole('columnheader', { name: /AUC/ })).toBeNull();
});
