import { describe, expect, it } from 'vitest';
import { rowOf } from '../../src/lib/measured';
import { filtered, grouped, narrowingOf, sorted, viewOf } from '../../src/lib/resultView';
import { result } from '../fixtures/result';
import { scoreOf } from '../fixtures/score';

const rows = [
  rowOf(result({ id: 'a', created_at: 1, tags: ['x'], scores: [scoreOf('test', 60, 0.5, 0.4, 0.6)] })),
  rowOf(result({ id: 'b', created_at: 2, encoder_id: 'e9', encoder_name: 'Moths', dataset_id: 'd9' })),
  rowOf(
    result({
      id: 'c',
      created_at: 3,
      strategy: 'fine_tune',
      config: { strategy: 'fine_tune', start: 'scratch', seed: 4 },
      tags: ['x', 'y'],
      scores: [],
    }),
  ),
  rowOf(result({ id: 'd', created_at: 0, pinned: true, name: 'The one' })),
];
const view = (search: string) => viewOf(new URLSearchParams(search));
const ids = (search: string, ofGrid: string[] | null = null): string =>
  sorted(filtered(rows, view(search), ofGrid), view(search))
    .map(({ id }) => id)
    .join('');

describe('a view of results', () => {
  it.each([
    ['', 'dcba'],
    ['turned=1', 'dabc'],
    ['dataset=d9', 'b'],
    ['encoders=e9,scratch', 'cb'],
    ['strategies=scratch', 'c'],
    ['tag=x', 'ca'],
    ['pinned=1', 'd'],
    ['q=moths', 'b'],
    ['q=scratch+seed+4', 'c'],
    ['q=the+one', 'd'],
    ['q=nothing+such', ''],
    ['sort=score', 'dbac'],
    ['sort=score&turned=1', 'dabc'],
  ])('that the address spells as "%s" shows %s', (search, shown) => {
    expect(ids(search)).toBe(shown);
  });

  it('of a grid shows what the grid found', () => {
    expect(ids('grid=g1', ['a', 'c'])).toBe('ca');
    expect(ids('grid=g1', [])).toBe('');
  });

  it('puts a result with two tags under each', () => {
    const groups = grouped(rows, view('group=tag'));
    expect(groups.map(({ title, rows: members }) => [title, members.length])).toEqual([
      ['x', 2],
      ['without a tag', 2],
      ['y', 1],
    ]);
  });

  it('takes nonsense in an address for nothing', () => {
    expect(view('sort=up&group=1&page=-3&metric=beauty&split=all')).toMatchObject({
      sort: 'newest',
      group: 'none',
      page: 1,
      split: 'test',
      metric: { name: 'accuracy' },
    });
  });
});

it('narrows to the same rows however they are ordered, and to others by every filter', () => {
  const narrowing = (search: string): string => narrowingOf(view(search));
  expect(narrowing('q=a&sort=score&turned=1&group=tag&page=3&chosen=b&metric=auc&split=val')).toBe(
    narrowing('q=a'),
  );
  const filters = ['', 'dataset=a', 'encoders=a', 'strategies=a', 'q=a', 'tag=a', 'pinned=1', 'grid=a'];
  expect(new Set(filters.map(narrowing)).size).toBe(filters.length);
});
