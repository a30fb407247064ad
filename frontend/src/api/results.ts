/** What is asked about results of transfers. */
import { data, http } from './client';
import type { Comparison, Mistakes, ResultChanges, ResultDetail, ResultOut, SplitName } from './types';

export async function listResults(): Promise<ResultOut[]> {
  return (await data(http.GET('/api/results'))).items;
}

export function readResult(result_id: string): Promise<ResultDetail> {
  return data(http.GET('/api/results/{result_id}', { params: { path: { result_id } } }));
}

/** Which images are asked for: of a cell of the confusion matrix, or everything that was answered wrongly. */
export interface MistakesQuery {
  split: SplitName;
  truth?: number;
  predicted?: number;
  limit: number;
}

/** Images by what was answered to them, the most confident first. */
export function readMistakes(
  result_id: string,
  query: MistakesQuery,
  signal: AbortSignal,
): Promise<Mistakes> {
  const params = { path: { result_id }, query };
  return data(http.GET('/api/results/{result_id}/mistakes', { params, signal }));
}

/** Two results on the same images, tested in pairs. */
export function compareResults(first: string, second: string, signal: AbortSignal): Promise<Comparison> {
  return data(http.GET('/api/results/compare', { params: { query: { first, second } }, signal }));
}

export function changeResult(result_id: string, body: ResultChanges): Promise<ResultOut> {
  return data(http.PATCH('/api/results/{result_id}', { params: { path: { result_id } }, body }));
}

export async function deleteResult(result_id: string): Promise<void> {
  await data(http.DELETE('/api/results/{result_id}', { params: { path: { result_id } } }));
}
