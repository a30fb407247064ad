/** Why a hit is alike. */
import { data, http } from './client';
import type { components } from './schema';

export type Why = components['schemas']['WhyOut'];

export interface WhyRequest {
  encoder_id: string;
  dataset_id: string;
  hit: number;
  /** The query: an image of the set, or a PNG as base64; the other one is null. */
  image_index: number | null;
  photo: string | null;
}

export function explain(body: WhyRequest, signal: AbortSignal): Promise<Why> {
  return data(http.POST('/api/search/why', { body, signal }));
}
