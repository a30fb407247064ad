/** What the columns of the Search page found: of each the newest answer alone. */
import { isAbort, shown, type ApiError } from '../api/errors';
import type { SearchOut } from '../api/types';
import { latest } from '../lib/latest';
import { find, forget, keyOf, known, type Question } from './answers';

/** After which time an engine that was being made is asked for again. */
const AGAIN_MS = 3000;

/** What stands in one place of the page; while an answer is awaited the one before stays, and is `busy`. */
export class ColumnHits {
  answer = $state.raw<SearchOut | null>(null);
  busy = $state(false);
  error = $state.raw<ApiError | null>(null);
  /** What is on its way. */
  #pending = '';
  readonly #find = latest((signal, question: Question) => this.#look(signal, question), 0);
  readonly #findAgain = latest((signal, question: Question) => this.#look(signal, question), AGAIN_MS);

  ask(question: Question): void {
    const before = known(question);
    if (before) {
      this.stop();
      this.#show(before);
    } else if (keyOf(question) !== this.#pending) {
      this.stop();
      [this.#pending, this.busy] = [keyOf(question), true];
      this.#find(question);
    }
  }

  /** Drops what is on its way. */
  stop(): void {
    this.#find.cancel();
    this.#findAgain.cancel();
    [this.#pending, this.busy] = ['', false];
  }

  /** Empties the place. */
  clear(): void {
    this.stop();
    [this.answer, this.error] = [null, null];
  }

  #show(answer: SearchOut): void {
    [this.answer, this.error, this.busy, this.#pending] = [answer, null, false, ''];
  }

  async #look(signal: AbortSignal, question: Question): Promise<void> {
    try {
      const found = await find(question, signal);
      if (signal.aborted) return;
      this.#show(found);
      if (found.engine.is_coming) {
        this.#pending = keyOf(question);
        this.#findAgain(question);
      }
    } catch (thrown) {
      if (isAbort(thrown) || signal.aborted) return;
      [this.answer, this.error, this.busy, this.#pending] = [null, shown(thrown), false, ''];
      if (this.error?.code === 'no_embeddings') forget();
    }
  }
}
