/** Where the person is: the address as state, and the ways to change it. */
import { match, withQuery, type Query, type Route } from '../lib/routes';

class Location {
  path = $state(window.location.pathname);
  search = $state(window.location.search);
  /** Rises when a person goes to another page, not when a page notes its state in the query. */
  visits = $state(0);
  readonly route: Route = $derived(match(this.path));
  readonly query: URLSearchParams = $derived(new URLSearchParams(this.search));

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
    window.history.pushState(null, '', address);
    window.scrollTo(0, 0);
    this.#read();
  }

  /** Notes state in the query. `push` makes it a step that Back undoes; a slider's travel is none. */
  note(changes: Query, { push = false } = {}): void {
    const search = withQuery(this.search, changes);
    if (search === this.search) return;
    const address = this.path + search;
    if (push) window.history.pushState(null, '', address);
    else window.history.replaceState(null, '', address);
    this.search = search;
  }

  #read(): void {
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
