/** The encoders that stand in the Search page's columns, also those that no list shows, and the saved epochs of their runs. */
import { SvelteMap } from 'svelte/reactivity';
import { listStates, readEncoder } from '../api/encoders';
import { shown } from '../api/errors';
import type { EncoderOut } from '../api/types';
import { runOf } from '../lib/epochs';
import { encoders } from './shelf.svelte';

export class ColumnEncoders {
  /** Those that the shelf has not; null for what is not in this lab. */
  readonly #others = new SvelteMap<string, EncoderOut | null>();
  readonly #states = new SvelteMap<string, EncoderOut[]>();
  readonly #asked: Record<string, boolean> = {};

  /** Undefined while it is not known. */
  find(id: string): EncoderOut | null | undefined {
    return encoders.find(id) ?? this.#fromRuns(id) ?? this.#others.get(id);
  }

  /** The states of the run that an encoder is of, by training; empty where it is of none, or they are not known. */
  statesOf(encoder: EncoderOut): EncoderOut[] {
    const run = runOf(encoder);
    return (run === null ? null : this.#states.get(run)) ?? [];
  }

  /** Fetches what is not known of these; call it when they change. */
  async want(ids: readonly string[]): Promise<void> {
    if (encoders.items === null) return;
    await Promise.all(ids.map((id) => this.#want(id)));
  }

  /** Looks again, as when a job has ended. */
  async reload(): Promise<void> {
    const ids = [...this.#others.keys()];
    const runs = [...this.#states.keys()];
    await Promise.all([
      encoders.reload(),
      ...ids.map((id) => this.#read(id)),
      ...runs.map((run) => this.#list(run)),
    ]);
  }

  #fromRuns(id: string): EncoderOut | null {
    for (const states of this.#states.values()) {
      const found = states.find((state) => state.id === id);
      if (found) return found;
    }
    return null;
  }

  async #want(id: string): Promise<void> {
    if (this.find(id) === undefined) await this.#once(id, () => this.#read(id));
    const encoder = this.find(id);
    const run = encoder ? runOf(encoder) : null;
    if (run !== null) await this.#once(`run ${run}`, () => this.#list(run));
  }

  async #once(name: string, work: () => Promise<void>): Promise<void> {
    if (this.#asked[name]) return;
    this.#asked[name] = true;
    await work();
  }

  async #read(id: string): Promise<void> {
    try {
      this.#others.set(id, await readEncoder(id));
    } catch (thrown) {
      if (shown(thrown).status === 404) this.#others.set(id, null);
      else this.#asked[id] = false; // asked again with the next change
    }
  }

  async #list(run: string): Promise<void> {
    try {
      this.#states.set(run, await listStates(run));
    } catch {
      this.#asked[`run ${run}`] = false; // the columns work without
    }
  }
}
