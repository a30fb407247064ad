/** The API's one error shape, as an exception. */

export interface Complaint {
  path: string;
  message: string;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly complaints: readonly Complaint[] = [],
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** The error that a refused answer's body spells; a body of another shape, such as a proxy's page, becomes a plain one. */
export function errorFrom(status: number, body: unknown): ApiError {
  const error = (body as { error?: { code?: unknown; message?: unknown; fields?: unknown } } | null)?.error;
  if (typeof error?.message !== 'string') {
    return new ApiError(status, 'unexpected', `The lab answered ${status} without saying why.`);
  }
  const fields = Array.isArray(error.fields) ? (error.fields as Complaint[]) : [];
  return new ApiError(status, String(error.code ?? 'unexpected'), error.message, fields);
}

/** Any thrown thing as an error to show; a failed fetch is said to be what it is. */
export function shown(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  if (thrown instanceof TypeError) {
    return new ApiError(
      0,
      'unreachable',
      'The lab does not answer: is "simclr-lab up" still running in its terminal?',
    );
  }
  return new ApiError(0, 'unexpected', thrown instanceof Error ? thrown.message : String(thrown));
}

/** Whether a request ended because it was called off; nobody needs to hear of that. */
export function isAbort(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === 'AbortError';
}
