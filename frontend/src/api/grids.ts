/** What is asked about grids of transfers. */
import { data, http } from './client';
import type { GridDetail, GridIn, GridOut, GridPlan } from './types';

export function planGrid(body: GridIn, signal: AbortSignal): Promise<GridPlan> {
  return data(http.POST('/api/grids/plan', { body, signal }));
}

/** Submits a grid; the same `key` sent again finds the same grid. */
export function submitGrid(body: GridIn, key: string): Promise<GridOut> {
  return data(http.POST('/api/grids', { body, params: { header: { 'idempotency-key': key } } }));
}

export async function listGrids(): Promise<GridOut[]> {
  return (await data(http.GET('/api/grids'))).items;
}

export function readGrid(grid_id: string): Promise<GridDetail> {
  return data(http.GET('/api/grids/{grid_id}', { params: { path: { grid_id } } }));
}

export function pauseGrid(grid_id: string): Promise<GridOut> {
  return data(http.POST('/api/grids/{grid_id}/pause', { params: { path: { grid_id } } }));
}

export function resumeGrid(grid_id: string): Promise<GridOut> {
  return data(http.POST('/api/grids/{grid_id}/resume', { params: { path: { grid_id } } }));
}

export function cancelGrid(grid_id: string): Promise<GridOut> {
  return data(http.POST('/api/grids/{grid_id}/cancel', { params: { path: { grid_id } } }));
}
