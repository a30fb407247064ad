/** Imported first: a browser started under the POSIX locale names a language that Intl refuses, and uPlot asks it at once. */
export function usableLanguage(language: string): string {
  try {
    return new Intl.NumberFormat(language).resolvedOptions().locale;
  } catch {
    return 'en-US';
  }
}

if (usableLanguage(navigator.language) === 'en-US' && navigator.language !== 'en-US')
  Object.defineProperty(navigator, 'language', { value: 'en-US', configurable: true });
