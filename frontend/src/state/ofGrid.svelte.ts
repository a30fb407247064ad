/** Which results a grid has, for a view that is narrowed to one. */
import { readGrid } from '../api/grids';
import { isAbort, shown, type ApiError } from '../api/errors';

export class OfGrid {
  name = $state<string | null>(null);
  /** Null while no grid narrows the view, or while it is not known. */
  results = $state.raw<readonly string[] | null>(null);
  error = $state.raw<ApiError | null>(null);
  #turn = 0;

  /** Looks at a grid; null for none. */
  async look(id: string | null): Promise<void> {
    const turn = ++this.#turn;
    if (id === null) {
      [this.name, this.results, this.error] = [null, null, null];
      return;
    }
    try {
      const grid = await readGrid(id);
      if (turn !== this.#turn) return;
      this.name = grid.name;
      this.results = grid.items.flatMap(({ result_id }) => result_id ?? []);
      this.error = null;
    } catch (thrown) {
      if (turn !== this.#turn || isAbort(thrown)) return;
      [this.results, this.error] = [[], shown(thrown)];
    }
  }
}
