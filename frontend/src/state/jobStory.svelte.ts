/** One job, followed live: its row, and the story that its events tell. */
import * as api from '../api/client';
import { shown, type ApiError } from '../api/errors';
import { follow } from '../api/events';
import { isTerminal, type JobEvent, type JobOut, type JobState } from '../api/types';
import { tell, UNTOLD, type Story } from '../lib/story';
import { jobs } from './jobs.svelte';

export class JobStory {
  job = $state.raw<JobOut | null>(null);
  story = $state.raw<Story>(UNTOLD);
  connected = $state(true);
  error = $state.raw<ApiError | null>(null);
  readonly id: string;
  /** The newer of what the stream and the row say; the row knows the end before the stream is opened. */
  readonly state: JobState | null = $derived.by(() => {
    const row = this.job?.state ?? null;
    return isTerminal(row) || !this.connected ? row : (this.story.state ?? row);
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
      onConnected: (connected) => {
        if (connected !== this.connected) void jobs.refresh(); // whether the lab answers at all is seen at once
        this.connected = connected;
      },
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

  /** Takes a newer row that came another way. */
  take(job: JobOut): void {
    this.job = job;
    this.error = null;
  }

  /** Events arrive by the hundred when an old job is opened: they are told in one go, a few times a second. */
  #queue(event: JobEvent): void {
    this.#waiting.push(event);
    this.#frame ??= window.setTimeout(() => {
      this.#frame = null;
      const events = this.#waiting;
      this.#waiting = [];
      this.story = tell(this.story, events);
      // Such an event may tell of a wish too, so the row has changed even where the state has not.
      if (events.some((told) => told.kind === 'state')) void this.load();
    }, 50);
  }
}
