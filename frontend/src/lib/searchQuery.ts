/** What the Search page looks for, as the address has it. */
import { boxOf, type Box } from './cropBox';
import { countOf, indicesOf, type Query } from './routes';

/** Images of the set, by the mean of their features, and unlike others. */
export interface ImagesQuery {
  kind: 'images';
  index: number;
  also: number[];
  unlike: number[];
}

/** A picture that is sent: a person's own (`index` is null), a part of an image, or an augmented view of one. */
export interface SentQuery {
  kind: 'photo' | 'part' | 'view';
  index: number | null;
  box: Box | null;
  view: ViewQuery | null;
}

/** A view as the Views page draws it: fields of the policy that differ from the defaults, seed, and which view. */
export interface ViewQuery {
  policy: Record<string, string>;
  seed: number;
  number: number;
}

export type SearchQuery = ImagesQuery | SentQuery;

const POLICY = 'augment.';
const LARGEST_SEED = 2147483647;
/** What stands in an address for the query alone; a new query takes all of it away. */
const OWN = ['index', 'also', 'unlike', 'photo', 'crop', 'view', 'seed'];

/** The query of an address, or null where there is none. */
export function queryOf(search: URLSearchParams): SearchQuery | null {
  const isPhoto = search.get('photo') !== null;
  const index = isPhoto ? null : countOf(search, 'index', null);
  if (index === null && !isPhoto) return null;
  const [box, view] = [boxOf(search.get('crop')), viewOf(search)];
  if (view) return { kind: 'view', index, box: null, view };
  if (box) return { kind: 'part', index, box, view: null };
  if (index === null) return { kind: 'photo', index, box: null, view: null };
  return { kind: 'images', index, also: indicesOf(search, 'also'), unlike: indicesOf(search, 'unlike') };
}

function viewOf(search: URLSearchParams): ViewQuery | null {
  const number = countOf(search, 'view', null);
  if (number === null) return null;
  const named = [...search].filter(([name]) => name.startsWith(POLICY));
  const policy = Object.fromEntries(named.map(([name, text]) => [name.slice(POLICY.length), text]));
  return { policy, seed: Math.min(countOf(search, 'seed', 0), LARGEST_SEED), number };
}

/** What clears the query in the address `search`, and asks for `changes` instead. */
export function asking(search: URLSearchParams, changes: Query): Query {
  const policy = [...search.keys()].filter((name) => name.startsWith(POLICY));
  return { ...Object.fromEntries([...OWN, ...policy].map((name) => [name, null])), ...changes };
}

/** The query part of an address that searches with a view; `index` is null for the person's own photo. */
export function viewAddress(index: number | null, { policy, seed, number }: ViewQuery): Query {
  const fields = Object.entries(policy).map(([name, text]) => [POLICY + name, text]);
  return { index, photo: index === null ? 1 : null, seed, view: number, ...Object.fromEntries(fields) };
}

/** What the query is called: `image 12`, `a part of your photo`, `view 2 of image 12`. */
export function nameOfQuery(query: SearchQuery): string {
  const of = query.index === null ? 'your photo' : `image ${query.index}`;
  if (query.kind === 'view') return `view ${(query.view?.number ?? 0) + 1} of ${of}`;
  return query.kind === 'part' ? `a part of ${of}` : of;
}
