import { describe, expect, it } from 'vitest';
import { usableLanguage } from '../../src/lib/language';

describe('the language of numbers', () => {
  it('is the browser’s where Intl knows it', () => {
    expect(usableLanguage('de-DE')).toBe('de-DE');
  });
  it('is English where the browser names none that Intl takes', () => {
    expect(usableLanguage('en-US@posix')).toBe('en-US');
  });
});
