/** Which page a path names, and how addresses are written. A page keeps its whole state in the query. */

export type PageName =
  | 'home'
  | 'data'
  | 'dataset'
  | 'views'
  | 'train'
  | 'jobs'
  | 'job'
  | 'transfer'
  | 'grid'
  | 'results'
  | 'result'
  | 'runs'
  | 'search'
  | 'map'
  | 'missing';

export interface Route {
  page: PageName;
  /** The identifier in the path, for pages about one thing. */
  id: string;
}

export type QueryValue = string | number | readonly (string | number)[] | null | undefined;
export type Query = Record<string, QueryValue>;

const ROUTES: readonly [RegExp, PageName][] = [
  [/^\/$/, 'home'],
  [/^\/data$/, 'data'],
  [/^\/data\/([0-9a-z]+)$/, 'dataset'],
  [/^\/views$/, 'views'],
  [/^\/train$/, 'train'],
  [/^\/jobs$/, 'jobs'],
  [/^\/jobs\/([0-9a-z]+)$/, 'job'],
  [/^\/transfer$/, 'transfer'],
  [/^\/grids\/([0-9a-z]+)$/, 'grid'],
  [/^\/results$/, 'results'],
  [/^\/results\/([0-9a-z]+)$/, 'result'],
  [/^\/runs$/, 'runs'],
  [/^\/search$/, 'search'],
  [/^\/map$/, 'map'],
];

/** The route of a path; a trailing slash changes nothing, an unknown path is `missing`. */
export function match(path: string): Route {
  const trimmed = path.length > 1 ? path.replace(/\/+$/, '') || '/' : path;
  for (const [pattern, page] of ROUTES) {
    const found = pattern.exec(trimmed);
    if (found) return { page, id: found[1] ?? '' };
  }
  return { page: 'missing', id: '' };
}

function written(value: QueryValue): string | null {
  if (value === null || value === undefined) return null;
  const text = typeof value === 'object' ? value.join(',') : String(value);
  return text === '' ? null : text;
}

/** `search` with `changes` applied; empty, null and undefined values are removed. Starts with `?` or is empty. */
export function withQuery(search: string, changes: Query): string {
  const query = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes)) {
    const text = written(value);
    if (text === null) query.delete(name);
    else query.set(name, text);
  }
  // Commas are legal in a query and far easier to read than %2C.
  const text = query.toString().replaceAll('%2C', ',');
  return text === '' ? '' : `?${text}`;
}

/** The address of a page with its state. */
export function href(path: string, query: Query = {}): string {
  return path + withQuery('', query);
}

/** A comma-separated list in a query; absent is empty. */
export function listOf(query: URLSearchParams, name: string): string[] {
  return (query.get(name) ?? '').split(',').filter((part) => part !== '');
}

/** Places in a list, such as images of a set, each once; what is no such number is left out. */
export function indicesOf(query: URLSearchParams, name: string): number[] {
  const numbers = listOf(query, name).filter((part) => /^\d{1,10}$/.test(part));
  return [...new Set(numbers.map(Number))];
}

/** A whole number in a query, or `fallback` where it is absent, malformed or below zero. */
export function countOf<T>(query: URLSearchParams, name: string, fallback: T): number | T {
  const text = query.get(name) ?? '';
  return /^\d{1,10}$/.test(text) ? Number(text) : fallback;
}
