/** Light, dark, or as the system has it. `public/theme.js` applies a stored choice before the first paint. */

export type Theme = 'system' | 'light' | 'dark';
const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };

class ThemeChoice {
  theme = $state<Theme>((document.documentElement.dataset['theme'] as Theme | undefined) ?? 'system');
  /** Rises whenever colours change, so that canvases are painted again. */
  changes = $state(0);

  constructor() {
    window.matchMedia?.('(prefers-color-scheme: dark)').addEventListener('change', () => (this.changes += 1));
  }

  next(): void {
    this.theme = NEXT[this.theme];
    if (this.theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = this.theme;
    try {
      localStorage.setItem('theme', this.theme);
    } catch {
      // Storage is switched off: the choice lasts until the page is left.
    }
    this.changes += 1;
  }
}

export const theme = new ThemeChoice();
