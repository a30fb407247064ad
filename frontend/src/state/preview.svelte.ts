/** What the Views page shows now: the newest answer that has arrived, and whether a newer one is on its way. */
import * as api from '../api/client';
import { isAbort, shown, type ApiError } from '../api/errors';
import type { Drawn } from '../lib/drawn';
import { newest } from '../lib/newest';

/** Keeps one kind of answer up to date while what is asked for changes many times a second. */
export class Asking<Request, Answer> {
  answer = $state.raw<Answer | null>(null);
  /** What `answer` answers. */
  answered = $state.raw<Request | null>(null);
  busy = $state(false);
  error = $state.raw<ApiError | null>(null);
  readonly ask: (request: Request) => void;
  readonly stop: () => void;

  constructor(fetch: (request: Request, signal: AbortSignal) => Promise<Answer>) {
    const asking = newest(async (signal, request: Request) => {
      this.busy = true;
      try {
        const answer = await fetch(request, signal);
        if (signal.aborted) return;
        [this.answer, this.answered, this.error] = [answer, request, null];
      } catch (thrown) {
        if (isAbort(thrown) || signal.aborted) return;
        this.error = shown(thrown);
      }
      this.busy = false;
    });
    [this.ask, this.stop] = [asking, asking.cancel];
  }
}

export const askingPreview = (): Asking<api.PreviewRequest, Drawn> => new Asking(api.drawViews);
export const askingStory = (): Asking<api.StoryRequest, api.Story> => new Asking(api.tellStory);
