/** A job's event stream: numbered, resumed after a break without a gap or a repeat, closed at the end. */
import { isTerminal, type JobEvent } from './types';

const KINDS = ['state', 'log', 'progress', 'evaluation', 'checkpoint', 'saved_epoch'] as const;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 10_000;

export interface Listener {
  /** A new event, each number once and ascending. */
  onEvent(event: JobEvent): void;
  /** Whether the stream is open; false while it is being picked up again. */
  onConnected(connected: boolean): void;
}

/** What is used of EventSource, so that a test can stand in for the network. */
export interface Source {
  readonly readyState: number;
  addEventListener(kind: string, listener: (event: MessageEvent<string>) => void): void;
  onopen: ((event: Event) => void) | null;
  onerror: ((event: Event) => void) | null;
  close(): void;
}

const CLOSED = 2;

/**
 * Follows a job until its terminal state or until the returned function is called.
 *
 * The browser picks a broken connection up itself and sends the last id. It gives up for good on an error page, such as
 * while the server restarts; then the stream is opened anew, from its start, and events already told are passed over.
 */
export function follow(
  jobId: string,
  listener: Listener,
  open: (url: string) => Source = (url) => new EventSource(url),
): () => void {
  let lastSeq = 0;
  let retry_ms = FIRST_RETRY_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let source = connect();

  function connect(): Source {
    const opened = open(`/api/jobs/${jobId}/events`);
    for (const kind of KINDS) opened.addEventListener(kind, receive);
    opened.onopen = () => {
      retry_ms = FIRST_RETRY_MS;
      listener.onConnected(true);
    };
    opened.onerror = () => {
      listener.onConnected(false);
      if (opened.readyState !== CLOSED) return;
      timer = setTimeout(() => (source = connect()), retry_ms);
      retry_ms = Math.min(2 * retry_ms, LONGEST_RETRY_MS);
    };
    return opened;
  }

  function receive(message: MessageEvent<string>): void {
    const event = JSON.parse(message.data) as JobEvent;
    if (event.seq <= lastSeq) return;
    lastSeq = event.seq;
    listener.onEvent(event);
    if (event.kind === 'state' && isTerminal(event.state)) source.close();
  }

  return () => {
    clearTimeout(timer);
    source.close();
  };
}
