import { expect, test } from 'vitest';
import { engineOptions, engineText } from '../../src/lib/engines';

test('who answered is said, with the time it took and the recall that was measured', () => {
  const exact = { name: 'exact', recall: null, milliseconds: 0.42, note: '', is_coming: false } as const;
  expect(engineText({ engine: exact })).toBe('Exact search, 0.4 ms');
  const recall = { value: 0.987, at: 10, queries: 200 };
  expect(engineText({ engine: { ...exact, name: 'hnsw', milliseconds: 12.4, recall } })).toBe(
    'HNSW graph, 12 ms, recall@10 98.7 % against exact search (mean of 200 queries)',
  );
  expect(engineText({ engine: { ...exact, note: 'The graph is being built.' } })).toBe(
    'Exact search, 0.4 ms. The graph is being built.',
  );
});

test('engines that the lab has not are named, and cannot be chosen', () => {
  const options = engineOptions({ here: ['exact', 'hnsw'], automatic: 'exact' });
  expect(options.map(({ value }) => value)).toEqual(['auto', 'exact', 'hnsw', 'pgvector']);
  expect(options[0]?.label).toBe('automatic: exact');
  expect(options.filter(({ isHere }) => !isHere)).toEqual([
    { value: 'pgvector', label: 'pgvector, needs PostgreSQL', isHere: false },
  ]);
  expect(engineOptions(null).every(({ isHere }) => isHere)).toBe(true);
});
