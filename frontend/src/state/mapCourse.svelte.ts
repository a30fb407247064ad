/** One map, or one for each epoch of a run: asked for, drawn or made, and its points frame by frame. */
import { untrack } from 'svelte';
import { isAbort, shown, type ApiError } from '../api/errors';
import { extentOf, type Extent } from '../lib/mapView';
import { makeMap, readPoints, type MapOut, type MapRequest } from '../api/maps';

const DAMAGED = 'map_damaged';
const MADE_AGAIN = 'The file of this map was damaged, so the map was made again.';

export class MapCourse {
  map = $state.raw<MapOut | null>(null);
  /** Points of the frame in sight, and of the one before it. */
  points = $state.raw<Float32Array | null>(null);
  before = $state.raw<Float32Array | null>(null);
  /** Edges of all frames that were loaded. */
  extent = $state.raw<Extent>(extentOf(new Float32Array()));
  error = $state.raw<ApiError | null>(null);
  note = $state('');
  /** Rises when a job was started in place of a map whose file is damaged. */
  restarts = $state(0);
  #frames: (Float32Array | undefined)[] = [];
  #frame = 0;

  /** Asks for the map that `request` names; one that takes a job is shown once it is there. Returns how to stop. */
  follow(request: MapRequest, known: MapOut | null): () => void {
    const asked = new AbortController();
    // What it reads of its own state must not make the effect that calls this run again.
    untrack(() => void this.#find(request, known, asked.signal));
    return () => asked.abort();
  }

  /** Shows another frame; returns how to stop. */
  see(frame: number): () => void {
    const asked = new AbortController();
    this.#frame = frame;
    untrack(() => void this.#show(frame, asked.signal));
    return () => asked.abort();
  }

  async #find(request: MapRequest, known: MapOut | null, signal: AbortSignal): Promise<void> {
    try {
      const found = known ?? (await this.#make(request, signal));
      if (signal.aborted || !found) return;
      if (this.map?.id !== found.id) {
        this.#frames = [];
        this.extent = extentOf(new Float32Array());
        this.before = null;
      }
      this.map = found;
      this.error = null;
      await this.#load(this.#frame, signal);
    } catch (thrown) {
      if (isAbort(thrown) || signal.aborted) return;
      const error = shown(thrown);
      const isGone = error.code === DAMAGED || (known !== null && error.status === 404);
      if (isGone && this.note === '') await this.#again(request, signal);
      else this.error = error;
    }
  }

  /** Once: what is damaged a second time is an error. */
  async #again(request: MapRequest, signal: AbortSignal): Promise<void> {
    this.note = MADE_AGAIN;
    try {
      const { map, job } = await makeMap(request, signal);
      if (job) this.restarts += 1;
      if (map && !signal.aborted) await this.#find(request, map, signal);
    } catch (thrown) {
      if (!isAbort(thrown) && !signal.aborted) this.error = shown(thrown);
    }
  }

  async #make(request: MapRequest, signal: AbortSignal): Promise<MapOut | null> {
    const { map, remade } = await makeMap(request, signal);
    if (remade) this.note = MADE_AGAIN;
    return map;
  }

  async #show(frame: number, signal: AbortSignal): Promise<void> {
    try {
      if (this.map) await this.#load(frame, signal);
    } catch (thrown) {
      if (!isAbort(thrown) && !signal.aborted) this.error = shown(thrown);
    }
  }

  async #load(frame: number, signal: AbortSignal): Promise<void> {
    const map = this.map;
    if (!map) return;
    const at = Math.min(frame, map.encoder_ids.length - 1);
    const points = this.#frames[at] ?? (await readPoints(map.id, at, signal));
    if (signal.aborted || this.map !== map) return;
    this.#keep(at, points);
    if (points !== this.points) [this.before, this.points] = [this.points, points];
    // The next one, so that it is there when the slider moves on.
    const next = at + 1;
    if (next >= map.encoder_ids.length || this.#frames[next]) return;
    const ahead = await readPoints(map.id, next, signal);
    if (!signal.aborted && this.map === map) this.#keep(next, ahead);
  }

  #keep(frame: number, points: Float32Array): void {
    if (this.#frames[frame]) return;
    this.#frames[frame] = points;
    this.extent = extentOf(points, this.extent);
  }
}
