/** What was asked of encoders and answered: nothing is asked twice, as banks and images never change; engines may. */
import * as api from '../api/search';
import type { SearchOut } from '../api/types';
import type { ImagesQuery } from '../lib/searchQuery';

/** A question to one encoder: by images of the set, or by a picture that is sent. */
export interface Question {
  request: api.SearchRequest;
  query: ImagesQuery | Blob;
}

const KEPT = 300;
const answers = new Map<string, SearchOut>();
const numbers = new WeakMap<Blob, number>();
let blobs = 0;

/** The same for the same question. */
export function keyOf({ request, query }: Question): string {
  if (!(query instanceof Blob)) return JSON.stringify([request, query]);
  if (!numbers.has(query)) numbers.set(query, ++blobs);
  return JSON.stringify([request, numbers.get(query)]);
}

/** The answer that is kept, where this was asked before: banks and images never change. */
export function known(question: Question): SearchOut | null {
  return answers.get(keyOf(question)) ?? null;
}

export async function find(question: Question, signal: AbortSignal): Promise<SearchOut> {
  const key = keyOf(question);
  const before = answers.get(key);
  if (before) return before;
  const { request, query } = question;
  const found =
    query instanceof Blob
      ? await api.searchByUpload(request, query, signal)
      : await api.searchByImages(
          request,
          { image_index: query.index, also: query.also, unlike: query.unlike },
          signal,
        );
  if (!found.engine.is_coming) answers.set(key, found);
  for (const oldest of answers.keys()) {
    if (answers.size <= KEPT) break;
    answers.delete(oldest);
  }
  return found;
}

/** Forgets what was answered, as when a bank has gone. */
export function forget(): void {
  answers.clear();
}
