import { describe, expect, it } from 'vitest';
import { countOf, href, indicesOf, listOf, match, withQuery } from '../../src/lib/routes';

describe('routes', () => {
  it('finds a page by its path, with or without a trailing slash', () => {
    expect(match('/')).toEqual({ page: 'home', id: '' });
    expect(match('/data/')).toEqual({ page: 'data', id: '' });
    expect(match('/jobs')).toEqual({ page: 'jobs', id: '' });
    expect(match('/jobs/01jabc')).toEqual({ page: 'job', id: '01jabc' });
  });

  it('answers an unknown path with the page that says so', () => {
    expect(match('/data/UPPER').page).toBe('missing');
    expect(match('/maps').page).toBe('missing');
  });

  it('writes lists readably and leaves empty values out', () => {
    expect(href('/views', { dataset: 'a1', images: [3, 5], seed: null, crop: '' })).toBe(
      '/views?dataset=a1&images=3,5',
    );
  });

  it('changes one part of a query and keeps the rest', () => {
    expect(withQuery('?a=1&b=2', { a: null, c: 3 })).toBe('?b=2&c=3');
    expect(withQuery('?a=1', { a: undefined })).toBe('');
  });

  it('reads lists and counts, and ignores what is malformed', () => {
    const query = new URLSearchParams('images=3,,5&k=12&seed=-4&page=1e9');
    expect(listOf(query, 'images')).toEqual(['3', '5']);
    expect(indicesOf(query, 'images')).toEqual([3, 5]);
    expect(indicesOf(new URLSearchParams('also=7,-1,7,x,1e9,0'), 'also')).toEqual([7, 0]);
    expect(countOf(query, 'k', 10)).toBe(12);
    expect(countOf(query, 'seed', 0)).toBe(0);
    expect(countOf(query, 'page', null)).toBeNull();
  });
});
