/** Who is near an image in the space that a map shows; the answers are kept, as a hand comes back to a point. */
import { isAbort } from '../api/errors';
import { readNeighbours, type MapNeighbours } from '../api/maps';

const WAIT_MS = 60;
const KEPT = 200;

export class SpaceNeighbours {
  found = $state.raw<MapNeighbours | null>(null);
  #kept: { key: string; found: MapNeighbours }[] = [];

  /** Of the point `index` of a map's frame; none without one. Returns how to stop. */
  follow(mapId: string | null, frame: number, index: number | null): () => void {
    const asked = new AbortController();
    const key = `${mapId} ${frame} ${index}`;
    this.found = this.#kept.find((each) => each.key === key)?.found ?? null;
    if (mapId === null || index === null || this.found) return () => undefined;
    const timer = setTimeout(() => void this.#ask(key, mapId, frame, index, asked.signal), WAIT_MS);
    return () => {
      clearTimeout(timer);
      asked.abort();
    };
  }

  async #ask(key: string, mapId: string, frame: number, index: number, signal: AbortSignal): Promise<void> {
    try {
      const found = await readNeighbours(mapId, frame, index, signal);
      if (signal.aborted) return;
      this.#kept = [{ key, found }, ...this.#kept.slice(0, KEPT - 1)];
      this.found = found;
    } catch (thrown) {
      // Without its neighbours a point is still a point: an encoder may have been deleted.
      if (!isAbort(thrown)) this.found = null;
    }
  }
}
