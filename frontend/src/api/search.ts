/** What is asked of an encoder about one query: images of a set, or a picture that is sent. */
import { data, http } from './client';
import type { components } from './schema';
import type { SearchOut, Split } from './types';

export type Metric = SearchOut['metric'];
export type Engines = components['schemas']['EnginesOut'];
export type Engine = components['schemas']['SearchIn']['engine'];

/** What may be found and how it is compared; null stands for every split, or every class. */
export interface SearchRequest {
  encoder_id: string;
  dataset_id: string;
  features: 'h' | 'z';
  k: number;
  /** Whether fewer will do where there are no more. */
  or_fewer: boolean;
  split: Split | null;
  label: number | null;
  metric: Metric;
  engine: Engine;
  /** Leaves out images with the pixels of the query or of a nearer hit. */
  exclude_duplicates: boolean;
}

/** Images of the set: `image_index` and `also` to be like, `unlike` to keep away from. */
export interface SearchImages {
  image_index: number;
  also: number[];
  unlike: number[];
}

/** Which engines a search in a set may ask for. */
export function listEngines(dataset_id: string, signal: AbortSignal): Promise<Engines> {
  return data(http.GET('/api/search/engines', { params: { query: { dataset_id } }, signal }));
}

export function searchByImages(
  request: SearchRequest,
  images: SearchImages,
  signal: AbortSignal,
): Promise<SearchOut> {
  return data(http.POST('/api/search', { body: { ...request, ...images }, signal }));
}

export function searchByUpload(request: SearchRequest, image: Blob, signal: AbortSignal): Promise<SearchOut> {
  const query = { ...request, split: request.split ?? undefined, label: request.label ?? undefined };
  return data(
    http.POST('/api/search/upload', {
      params: { query },
      // The body is the image itself; its type travels in the header.
      body: image as unknown as string,
      bodySerializer: (blob) => blob,
      headers: { 'Content-Type': image.type || 'application/octet-stream' },
      signal,
    }),
  );
}
