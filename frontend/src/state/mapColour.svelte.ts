/** What the points of a map are coloured by: the choices there are, the chosen one, and its values. */
import { isAbort, shown, type ApiError } from '../api/errors';
import { listColours, readColours, type MapColour } from '../api/maps';

export class MapColouring {
  choices = $state.raw<MapColour[]>([]);
  chosen = $state.raw<MapColour | null>(null);
  values = $state.raw<Int32Array | Float32Array | null>(null);
  error = $state.raw<ApiError | null>(null);

  /** Looks up the choices for an encoder on a set, and the values of the one called `name`, or of the first. */
  follow(datasetId: string, encoderId: string, name: string | null): () => void {
    const asked = new AbortController();
    void this.#find(datasetId, encoderId, name, asked.signal);
    return () => asked.abort();
  }

  async #find(datasetId: string, encoderId: string, name: string | null, signal: AbortSignal): Promise<void> {
    try {
      const choices = await listColours(datasetId, encoderId, signal);
      const chosen = choices.find((each) => each.name === name) ?? choices[0] ?? null;
      const values = chosen ? await readColours(chosen, datasetId, encoderId, signal) : null;
      if (signal.aborted) return;
      [this.choices, this.chosen, this.values, this.error] = [choices, chosen, values, null];
    } catch (thrown) {
      if (!isAbort(thrown) && !signal.aborted) this.error = shown(thrown);
    }
  }
}
