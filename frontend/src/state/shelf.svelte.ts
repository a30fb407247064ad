/** Lists that several pages show, loaded once and again when something changed them. */
import * as api from '../api/client';
import { listResults } from '../api/results';
import { shown, type ApiError } from '../api/errors';
import type { DatasetOut, EncoderOut, ResultOut } from '../api/types';

/** A list from the API: `items` is null until the first answer. */
export class Shelf<T extends { id: string }> {
  items = $state.raw<T[] | null>(null);
  error = $state.raw<ApiError | null>(null);
  readonly #load: () => Promise<T[]>;

  constructor(load: () => Promise<T[]>) {
    this.#load = load;
  }

  async reload(): Promise<void> {
    try {
      this.items = await this.#load();
      this.error = null;
    } catch (thrown) {
      this.error = shown(thrown);
    }
  }

  find(id: string | null | undefined): T | null {
    return this.items?.find((item) => item.id === id) ?? null;
  }
}

export const datasets = new Shelf<DatasetOut>(api.listDatasets);
export const encoders = new Shelf<EncoderOut>(api.listEncoders);
export const results = new Shelf<ResultOut>(listResults);
