/** What every saved epoch of a run answers to the query of now, one after the other. */
import { SvelteMap } from 'svelte/reactivity';
import type { SearchOut } from '../api/types';
import { find, type Question } from './answers';

export class EpochCourse {
  /** By the encoder's id; an epoch that could not answer is left out, and says why in its own column. */
  readonly answers = new SvelteMap<string, SearchOut>();

  /** Asks all of them; returns how to stop. */
  follow(questions: readonly Question[]): () => void {
    const request = new AbortController();
    this.answers.clear();
    void this.#ask(questions, request.signal);
    return () => request.abort();
  }

  async #ask(questions: readonly Question[], signal: AbortSignal): Promise<void> {
    for (const question of questions) {
      const found = await find(question, signal).catch(() => null);
      if (signal.aborted) return;
      if (found) this.answers.set(question.request.encoder_id, found);
    }
  }
}
