/** Uploads, with XMLHttpRequest because fetch does not tell how much has been sent. */
import type { ArchiveFormat } from '../lib/sets';
import { ApiError, errorFrom } from './errors';
import type { DatasetOut } from './types';

export interface UploadRequest {
  file: File;
  name: string;
  format: ArchiveFormat;
  /** Side in pixels that images are brought to, or null for the set's own. */
  imageSize: number | null;
}

/**
 * Sends an archive and waits until it is imported.
 *
 * `onSent` hears the share of bytes sent, in [0, 1]; at 1 the lab has begun to read the images.
 */
export function uploadDataset(
  { file, name, format, imageSize }: UploadRequest,
  onSent: (share: number) => void,
  signal: AbortSignal,
): Promise<DatasetOut> {
  const query = new URLSearchParams({ name, format });
  if (imageSize !== null) query.set('image_size', String(imageSize));
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `/api/datasets/upload?${query}`);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.onprogress = (event) => onSent(event.lengthComputable ? event.loaded / event.total : 0);
    request.upload.onload = () => onSent(1);
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status === 200 || request.status === 201) resolve(body as DatasetOut);
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
