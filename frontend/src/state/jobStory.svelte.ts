/** One job, followed live: its row, and the story that its events tell. */
import * as api from '../api/client';
import { shown, type ApiError } from '../api/errors';
import { follow } from '../api/events';
import { isTerminal, type JobEvent, type JobOut, type JobState } from '../api/types';
import { tell, UNTOLD, type Story } from '../lib/story';

export class JobStory {
  job = $state.raw<JobOut | null>(null);
  story = $state.raw<Story>(UNTOLD);
  connected = $state(true);
  error = $state.raw<ApiError | null>(null);
  readonly id: string;
  /** The newer of what the stream and the row say; the row knows the end before the stream is opened. */
  readonly state: JobState | null = $derived.by(() => {
    const row = this.job?.state ?? null;
    return isTerminal(row) ? row : (this.story.state ?? row);
  });
  #waiting: JobEvent[] = [];
  #frame: number | null = null;

  constructor(id: string) {
    this.id = id;
  }

  /** Loads the row and follows the stream; returns how to stop. */
  start(): () => void {
    void this.load();
    const stop = follow(this.id, {
      onEvent: (event) => this.#queue(event),
      onConnected: (connected) => (this.connected = connected),
    });
    return () => {
      stop();
      if (this.#frame !== null) clearTimeout(this.#frame);
    };
  }

  async load(): Promise<void> {
    try {
      this.job = await api.readJob(this.id);
      this.error = null;
    } catch (thrown) {
      this.error = shown(thrown);
    }
  }

  async cancel(): Promise<void> {
    try {
      this.job = await api.cancelJob(this.id);
    } catch (thrown) {
      this.error = shown(thrown);
      await this.load();
    }
  }

  /** Events arrive by the hundred when an old job is opened: they are told in one go, a few times a second. */
  #queue(event: JobEvent): void {
    this.#waiting.push(event);
    this.#frame ??= window.setTimeout(() => {
      this.#frame = null;
      const events = this.#waiting;
      this.#waiting = [];
      const before = this.story.state;
      this.story = tell(this.story, events);
      if (this.story.state !== before) void this.load();
    }, 50);
  }
}
