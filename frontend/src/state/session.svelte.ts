/** Whether this browser is signed in. */
import * as api from '../api/client';
import { shown, type ApiError } from '../api/errors';

type Standing = 'checking' | 'in' | 'out' | 'unreachable';

class Session {
  standing = $state<Standing>('checking');
  error = $state<ApiError | null>(null);

  /** Uses the token in the address, if there is one, and takes it out of the address at once. */
  async begin(): Promise<void> {
    api.whenSignedOut(() => (this.standing = 'out'));
    const token = new URLSearchParams(window.location.hash.slice(1)).get('token');
    if (token !== null) {
      window.history.replaceState(null, '', window.location.pathname + window.location.search);
      await this.signIn(token);
      return;
    }
    await this.#try(async () => {
      await api.readSession();
      this.standing = 'in';
    }, false);
  }

  async signIn(token: string): Promise<void> {
    await this.#try(async () => {
      await api.signIn(token.trim());
      this.standing = 'in';
    }, true);
  }

  async #try(attempt: () => Promise<void>, sayWhy: boolean): Promise<void> {
    this.error = null;
    try {
      await attempt();
    } catch (thrown) {
      const error = shown(thrown);
      this.standing = error.code === 'unreachable' ? 'unreachable' : 'out';
      if (sayWhy || error.status !== 401) this.error = error;
    }
  }
}

export const session = new Session();
