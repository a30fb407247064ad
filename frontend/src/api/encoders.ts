/** What is asked about encoders that were not pretrained to their end here, and about what a pretraining kept. */
import { data, http } from './client';
import type { CheckpointOut, EncoderOut, ImageNetFile, Verdict } from './types';

/** Whether a pretraining learns, by stated rules; also while it runs. */
export function readVerdict(job_id: string, signal: AbortSignal): Promise<Verdict> {
  return data(http.GET('/api/jobs/{job_id}/verdict', { params: { path: { job_id } }, signal }));
}

/** Kept states of a pretraining, of which encoders can be made. */
export async function listCheckpoints(job_id: string): Promise<CheckpointOut[]> {
  return (await data(http.GET('/api/jobs/{job_id}/checkpoints', { params: { path: { job_id } } }))).items;
}

export function addCheckpoint(job_id: string, step: number): Promise<EncoderOut> {
  return data(http.POST('/api/encoders', { body: { origin: 'checkpoint', job_id, step } }));
}

/** Torchvision's files of ImageNet weights: which are on the server, and where the others would have to be. */
export async function listImageNet(): Promise<ImageNetFile[]> {
  return (await data(http.GET('/api/encoders/imagenet'))).files;
}

export function addImageNet(
  dataset_id: string,
  architecture: ImageNetFile['architecture'],
): Promise<EncoderOut> {
  const body = { origin: 'imagenet' as const, dataset_id, architecture, image_size: 224 };
  return data(http.POST('/api/encoders', { body }));
}

/** An encoder of a file's weights, for images such as those of a set. */
export function uploadEncoder(dataset_id: string, file: File): Promise<EncoderOut & { found: string }> {
  const name = file.name.replace(/\.[a-z]+$/i, '').slice(0, 100) || 'Uploaded encoder';
  return data(
    http.POST('/api/encoders/upload', {
      params: { query: { dataset_id, name } },
      body: file as unknown as string,
      bodySerializer: (blob) => blob,
      headers: { 'Content-Type': 'application/octet-stream' },
    }),
  );
}

export function readEncoder(encoder_id: string): Promise<EncoderOut> {
  return data(http.GET('/api/encoders/{encoder_id}', { params: { path: { encoder_id } } }));
}

/** Every state of a pretraining that is kept as an encoder, by training; most are in no other list. */
export async function listStates(job_id: string): Promise<EncoderOut[]> {
  return (await data(http.GET('/api/encoders', { params: { query: { job_id } } }))).items;
}
