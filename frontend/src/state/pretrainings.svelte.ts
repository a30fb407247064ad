/** Pretrainings, the newest first, as far back as somebody asks, and those with a text in their name. */
import * as api from '../api/client';
import { shown, type ApiError } from '../api/errors';
import type { JobOut } from '../api/types';

const PAGE = 100;

export class Pretrainings {
  /** Null until the first answer. */
  items = $state.raw<readonly JobOut[] | null>(null);
  /** Whether there are earlier ones that were not asked for. */
  hasMore = $state(false);
  error = $state.raw<ApiError | null>(null);
  #named = '';
  #pages = 1;
  #turn = 0;

  /** Looks again at what is shown; for another name from the newest on. */
  async look(named: string): Promise<void> {
    if (named !== this.#named) [this.#named, this.#pages] = [named, 1];
    const turn = ++this.#turn;
    const found: JobOut[] = [];
    let last: JobOut[] = [];
    try {
      for (let page = 0; page < this.#pages; page += 1) {
        last = await api.listPretrainings({ limit: PAGE, named, before: found.at(-1)?.id });
        if (turn !== this.#turn) return;
        found.push(...last);
        if (last.length < PAGE) break;
      }
      [this.items, this.hasMore, this.error] = [found, last.length === PAGE, null];
    } catch (thrown) {
      if (turn === this.#turn) this.error = shown(thrown);
    }
  }

  /** Looks a page further back. */
  async more(): Promise<void> {
    this.#pages += 1;
    await this.look(this.#named);
  }
}
