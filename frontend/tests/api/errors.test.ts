import { describe, expect, it } from 'vitest';
import { errorFrom, isAbort, shown } from '../../src/api/errors';

describe('errors', () => {
  it('keep the code, the message and the fields of the one error shape', () => {
    const error = errorFrom(422, {
      error: {
        code: 'invalid',
        message: 'Not so.',
        fields: [{ path: 'config.epochs', message: 'too many' }],
      },
    });
    expect([error.code, error.message, error.complaints[0]?.path]).toEqual([
      'invalid',
      'Not so.',
      'config.epochs',
    ]);
  });

  it('are still readable when the answer has another shape', () => {
    expect(errorFrom(502, '<html>Bad gateway</html>').message).toContain('502');
    expect(errorFrom(500, null).code).toBe('unexpected');
  });

  it('say that the lab does not answer when the network failed', () => {
    expect(shown(new TypeError('Failed to fetch')).code).toBe('unreachable');
  });

  it('know a request that was called off', () => {
    expect(isAbort(new DOMException('', 'AbortError'))).toBe(true);
    expect(isAbort(new TypeError('x'))).toBe(false);
  });
});
