/** What is asked about an encoder's neighbours on a whole set; either takes some seconds. */
import { data, http } from './client';
import type { components } from './schema';

export type Retrieval = components['schemas']['RetrievalOut'];
export type Hubs = components['schemas']['HubsOut'];

export interface NeighboursRequest {
  encoder_id: string;
  dataset_id: string;
  features: 'h' | 'z';
  tab: string;
}

export function judgeRetrieval(body: NeighboursRequest, signal: AbortSignal): Promise<Retrieval> {
  return data(http.POST('/api/search/retrieval', { body, signal }));
}

export function findHubs(body: NeighboursRequest, signal: AbortSignal): Promise<Hubs> {
  return data(http.POST('/api/search/hubs', { body: { ...body, k: 10 }, signal }));
}
