/** What every saved epoch of a run answers to the query of now, one after the other. */
import { SvelteMap } from 'svelte/reactivity';
import { isAbort, shown, type ApiError } from '../api/errors';
import type { SearchOut } from '../api/types';
import { find, type Question } from './answers';

export class EpochCourse {
  /** By the encoder's id. */
  readonly answers = new SvelteMap<string, SearchOut>();
  error = $state.raw<ApiError | null>(null);

  /** Asks all of them; returns how to stop. */
  follow(questions: readonly Question[]): () => void {
    const request = new AbortController();
    this.answers.clear();
    this.error = null;
    void this.#ask(questions, request.signal);
    return () => request.abort();
  }

  async #ask(questions: readonly Question[], signal: AbortSignal): Promise<void> {
    try {
      for (const question of questions) {
        const found = await find(question, signal);
        if (signal.aborted) return;
        this.answers.set(question.request.encoder_id, found);
      }
    } catch (thrown) {
      if (!isAbort(thrown) && !signal.aborted) this.error = shown(thrown);
    }
  }
}
