/** Imports: what there is to import, and asking for one, by an upload or by a name. */
import { freshKey } from '../lib/keys';
import type { ArchiveFormat } from '../lib/sets';
import { data, http } from './client';
import { ApiError, errorFrom } from './errors';
import type { components } from './schema';
import type { BuiltinSource, JobOut } from './types';

export type SourcesOut = components['schemas']['SourcesOut'];
export type PublishedOut = components['schemas']['PublishedOut'];
type ImportBody = components['schemas']['ImportIn'];
/** An import to ask for. The generated type asks for choices that the API makes itself. */
export type ImportIn = Partial<ImportBody>;

/** What can be imported without an upload, and why one would choose what. */
export function listSources(): Promise<SourcesOut> {
  return data(http.GET('/api/datasets/sources'));
}

/** Makes a built-in set; the answer is the job that does so, or did. `count` images, where that can be chosen. */
export function addBuiltin(source: BuiltinSource, count: number | null = null): Promise<JobOut> {
  const body = { source, count, seed: 0, name: '', submitter: '' };
  return data(http.POST('/api/datasets/builtin', { body }));
}

/** Imports a published set or a folder of the server; the answer is the job that does so. */
export function importSource(body: ImportIn): Promise<JobOut> {
  const params = { header: { 'idempotency-key': freshKey() } };
  return data(http.POST('/api/datasets/import', { body: body as ImportBody, params }));
}

/** What is asked for beside the file; what is null or absent is as the lab has it. */
export type UploadQuery = { format: ArchiveFormat; name: string } & Record<string, string | number | null>;

/**
 * Sends an archive; the answer is the job that imports it. By XMLHttpRequest, as fetch does not tell how much has been sent.
 *
 * `onSent` hears the share of bytes sent, in [0, 1].
 */
export function uploadArchive(
  file: File,
  asked: UploadQuery,
  onSent: (share: number) => void,
  signal: AbortSignal,
): Promise<JobOut> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) if (value !== null) query.set(name, String(value));
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `/api/datasets/upload?${query}`);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.onprogress = (event) => onSent(event.lengthComputable ? event.loaded / event.total : 0);
    request.upload.onload = () => onSent(1);
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status === 200 || request.status === 202) resolve(body as JobOut);
      else reject(errorFrom(request.status, body));
    };
    request.onerror = () =>
      reject(
        new ApiError(
          0,
          'unreachable',
          `${file.name} could not be sent: the lab closed the connection. Try again.`,
        ),
      );
    request.onabort = () => reject(new DOMException('The upload was called off.', 'AbortError'));
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(file);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
