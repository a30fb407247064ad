/** Maps of embeddings: made, read as plain numbers, and asked for the neighbours in the space itself. */
import { data, http } from './client';
import type { components } from './schema';

type Schemas = components['schemas'];
export type MapOut = Schemas['MapOut'];
export type MapFigures = Schemas['MapFigures'];
export type MapColour = Schemas['ColourOut'];
export type MapConfig = Schemas['MapConfig'];
export type MapStanding = Schemas['MapStandingOut'];
export type MapNeighbours = Schemas['NeighboursOut'];

export interface MapRequest {
  dataset_id: string;
  encoder_ids: string[];
  config: Partial<MapConfig> & Pick<MapConfig, 'method' | 'features'>;
  tab: string;
}

/** The map, drawn now where that is quick, else the job that makes it. */
export function makeMap(body: MapRequest, signal: AbortSignal): Promise<MapStanding> {
  return data(http.POST('/api/maps', { body: body as Schemas['MapIn'], signal }));
}

export async function listMaps(dataset_id: string, signal: AbortSignal): Promise<MapOut[]> {
  return (await data(http.GET('/api/maps', { params: { query: { dataset_id } }, signal }))).items;
}

/** x and y of every point in turn. */
export async function readPoints(map_id: string, frame: number, signal: AbortSignal): Promise<Float32Array> {
  const params = { path: { map_id }, query: { frame } };
  const answer = data(http.GET('/api/maps/{map_id}/points', { params, parseAs: 'arrayBuffer', signal }));
  return new Float32Array((await answer) as unknown as ArrayBuffer);
}

export function readNeighbours(
  map_id: string,
  frame: number,
  index: number,
  signal: AbortSignal,
): Promise<MapNeighbours> {
  const params = { path: { map_id }, query: { frame, index } };
  return data(http.GET('/api/maps/{map_id}/neighbours', { params, signal }));
}

export async function listColours(
  dataset_id: string,
  encoder_id: string,
  signal: AbortSignal,
): Promise<MapColour[]> {
  const params = { query: { dataset_id, encoder_id } };
  return (await data(http.GET('/api/map-colours', { params, signal }))).items;
}

/** A number for every image: places in the colour's values, or a measure. */
export async function readColours(
  colour: MapColour,
  dataset_id: string,
  encoder_id: string,
  signal: AbortSignal,
): Promise<Int32Array | Float32Array> {
  const params = { path: { name: colour.name }, query: { dataset_id, encoder_id } };
  const answer = data(http.GET('/api/map-colours/{name}', { params, parseAs: 'arrayBuffer', signal }));
  const bytes = (await answer) as unknown as ArrayBuffer;
  return colour.kind === 'measure' ? new Float32Array(bytes) : new Int32Array(bytes);
}
