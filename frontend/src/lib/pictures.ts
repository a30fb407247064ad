/** Pictures in the browser: loaded, cut, and taken out of `data:` addresses. */
import type { Box } from './cropBox';

/** Larger cuts are shrunk to this side: no encoder looks at more. */
const LARGEST_SIDE = 512;

export async function loaded(url: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    throw new Error('This picture cannot be shown: choose another file.');
  }
  return image;
}

/** A part of a picture as a PNG, pixel by pixel. */
export async function cut(image: HTMLImageElement, { left, top, side }: Box): Promise<Blob> {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = Math.min(side, LARGEST_SIDE);
  canvas.getContext('2d')?.drawImage(image, left, top, side, side, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (!blob) throw new Error('This browser could not cut the picture: try a smaller part.');
  return blob;
}

/** The bytes of a `data:image/png;base64,…` address. */
export function unpacked(address: string): Blob {
  const binary = atob(address.slice(address.indexOf(',') + 1));
  return new Blob([Uint8Array.from(binary, (letter) => letter.charCodeAt(0))], { type: 'image/png' });
}
