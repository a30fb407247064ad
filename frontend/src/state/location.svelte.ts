/** Where the person is: the address as state, and the ways to change it. */
import { match, withQuery, type Query, type Route } from '../lib/routes';

const WRITE_MS = 200;

class Location {
  path = $state(window.location.pathname);
  search = $state(window.location.search);
  /** Rises when a person goes to another page, not when a page notes its state in the query. */
  visits = $state(0);
  readonly route: Route = $derived(match(this.path));
  readonly query: URLSearchParams = $derived(new URLSearchParams(this.search));
  #pending: ReturnType<typeof setTimeout> | undefined;

  /** Listens to links and to Back; returns how to stop. */
  start(): () => void {
    const onBack = (): void => this.#read();
    window.addEventListener('popstate', onBack);
    document.addEventListener('click', this.#onClick);
    return () => {
      window.removeEventListener('popstate', onBack);
      document.removeEventListener('click', this.#onClick);
    };
  }

  /** Goes to an address of this site. */
  go(address: string): void {
    this.#flush();
    window.history.pushState(null, '', address);
    window.scrollTo(0, 0);
    this.#read();
  }

  /** Notes state in the query. `push` makes it a step that Back undoes; a slider's travel is none. */
  note(changes: Query, { push = false } = {}): void {
    const search = withQuery(this.search, changes);
    if (search === this.search) return;
    if (push) {
      this.#flush();
      window.history.pushState(null, '', this.path + search);
    } else {
      // Browsers refuse more than a few address changes a second; a slider makes dozens.
      this.#pending ??= setTimeout(() => this.#flush(), WRITE_MS);
    }
    this.search = search;
  }

  /** Follows a link of a drawing, which `#onClick` does not take for one. */
  follow(event: MouseEvent, address: string): void {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.go(address);
  }

  /** Writes the noted state into the address bar. */
  #flush(): void {
    if (this.#pending === undefined) return;
    clearTimeout(this.#pending);
    this.#pending = undefined;
    window.history.replaceState(null, '', this.path + this.search);
  }

  #read(): void {
    clearTimeout(this.#pending);
    this.#pending = undefined;
    const moved = this.path !== window.location.pathname;
    this.path = window.location.pathname;
    this.search = window.location.search;
    if (moved) this.visits += 1;
  }

  #onClick = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.target || link.hasAttribute('download') || link.origin !== window.location.origin)
      return;
    if (link.hash && link.pathname === window.location.pathname) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  };
}

export const location = new Location();
