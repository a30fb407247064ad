/** The API's routes as functions: typed arguments in, data out, an ApiError otherwise. */
import createClient from 'openapi-fetch';
import type { ConfigSchema, Preset } from '../lib/configForm';
import { parseDrawn, type Drawn } from '../lib/drawn';
import type { Part } from '../lib/policy';
import { errorFrom } from './errors';
import type { paths } from './schema';
import type {
  AugmentConfig,
  DatasetOut,
  EncoderOut,
  EstimateOut,
  Hardness,
  JobBody,
  JobIn,
  JobOut,
  LabelCosts,
  PolicyExport,
  PreviewBody,
  Preview,
  Story,
  Shortcuts,
  Strategy,
  SystemOut,
} from './types';

/** The schemas of every config; OpenAPI says only that they are objects. */
export interface Configs {
  augment: ConfigSchema;
  pretrain: ConfigSchema;
  transfer: Record<Strategy, ConfigSchema>;
  embed: ConfigSchema;
  map: ConfigSchema;
  presets: { augment: Preset[]; pretrain: Preset[] };
  parts: Part[];
}

export type { Preview, Story };

// fetch is looked up at every call, so that a test may stand in for it.
export const http = createClient<paths>({
  baseUrl: globalThis.location.origin,
  fetch: (request) => globalThis.fetch(request),
});

let onSignedOut: () => void = () => undefined;

/** Calls `listener` whenever the lab says that nobody is signed in. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

export async function data<T>(
  answer: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await answer;
  if (!response.ok) {
    if (response.status === 401) onSignedOut();
    throw errorFrom(response.status, error);
  }
  return data as T;
}

export async function readSession(): Promise<void> {
  await data(http.GET('/api/session'));
}

export async function signIn(token: string): Promise<void> {
  await data(http.POST('/api/session', { body: { token } }));
}

export async function signOut(): Promise<void> {
  await data(http.DELETE('/api/session'));
}

export function readSystem(): Promise<SystemOut> {
  return data(http.GET('/api/system'));
}

export async function readConfigs(): Promise<Configs> {
  return (await data(http.GET('/api/configs'))) as Configs;
}

export async function listDatasets(): Promise<DatasetOut[]> {
  return (await data(http.GET('/api/datasets'))).items;
}

export function readDataset(dataset_id: string): Promise<DatasetOut> {
  return data(http.GET('/api/datasets/{dataset_id}', { params: { path: { dataset_id } } }));
}

/** Where an image's PNG is. It never changes, so the browser keeps it. */
export function imageUrl(datasetId: string, index: number): string {
  return `/api/datasets/${datasetId}/images/${index}`;
}

/** What to draw of which images; `photo` is a PNG as base64, as `takePhoto` gives it, and comes before them. */
export interface StoryRequest {
  dataset_id: string;
  indices: number[];
  photo: string | null;
  config: AugmentConfig;
  seed: number;
  tab: string;
}

export interface PreviewRequest extends StoryRequest {
  views: number;
  /** Operations whose miniatures are wanted, by name. */
  alone: PreviewBody['alone'];
}

export function previewViews(body: PreviewRequest, signal: AbortSignal): Promise<Preview> {
  return data(http.POST('/api/augmentations/preview', { body, signal })) as Promise<Preview>;
}

/** The same with pixels in place of files, which come sooner: what a slider asks for. */
export async function drawViews(body: PreviewRequest, signal: AbortSignal): Promise<Drawn> {
  const headers = { accept: 'application/octet-stream' };
  const options = { body, signal, headers, parseAs: 'arrayBuffer' } as const;
  return parseDrawn((await data(http.POST('/api/augmentations/preview', options))) as ArrayBuffer);
}

export function tellStory(body: StoryRequest, signal: AbortSignal): Promise<Story> {
  return data(http.POST('/api/augmentations/story', { body, signal }));
}

/** The previewed images and views as one PNG. */
export function drawSheet(body: PreviewRequest): Promise<Blob> {
  return data(http.POST('/api/augmentations/sheet', { body, parseAs: 'blob' })) as Promise<Blob>;
}

/** The policy as JSON and as Python, for images of a set's size. */
export function exportPolicy(dataset_id: string, config: AugmentConfig): Promise<PolicyExport> {
  return data(http.POST('/api/augmentations/export', { body: { dataset_id, config } }));
}

/** A picture made such as the images of a set are, as a `data:` address. The lab keeps nothing of it. */
export async function takePhoto(dataset_id: string, image: Blob, signal: AbortSignal): Promise<string> {
  const asked = http.POST('/api/augmentations/photo', {
    params: { query: { dataset_id } },
    body: image as unknown as string,
    bodySerializer: (blob) => blob,
    headers: { 'Content-Type': image.type || 'application/octet-stream' },
    signal,
  });
  return (await data(asked)).picture;
}

/** A policy to be studied on a set; the studies take a second or more. */
export interface StudyRequest {
  dataset_id: string;
  config: AugmentConfig;
  seed: number;
  tab: string;
}

export interface EncoderStudyRequest extends StudyRequest {
  encoder_id: string;
}

export function auditShortcuts(body: StudyRequest, signal: AbortSignal): Promise<Shortcuts> {
  return data(http.POST('/api/augmentations/shortcuts', { body, signal }));
}

export function compareHardness(body: EncoderStudyRequest, signal: AbortSignal): Promise<Hardness> {
  return data(http.POST('/api/augmentations/hardness', { body, signal }));
}

export function measureLabelCosts(body: EncoderStudyRequest, signal: AbortSignal): Promise<LabelCosts> {
  return data(http.POST('/api/augmentations/label-costs', { body, signal }));
}

/** Submits a job; the same `key` sent again, such as by a second click, finds the same job. */
export function submitJob(body: JobIn, key: string): Promise<JobOut> {
  const params = { header: { 'idempotency-key': key } };
  return data(http.POST('/api/jobs', { body: body as JobBody, params }));
}

export async function listJobs(limit: number): Promise<JobOut[]> {
  return (await data(http.GET('/api/jobs', { params: { query: { limit } } }))).items;
}

/** Pretrainings, the newest first: those before a job, those with a text in their name. */
export async function listPretrainings(query: {
  limit: number;
  named: string;
  before?: string | undefined;
}): Promise<JobOut[]> {
  const { limit, named, before } = query;
  const asked = { kind: 'pretrain', limit, ...(named && { named }), ...(before && { before }) } as const;
  return (await data(http.GET('/api/jobs', { params: { query: asked } }))).items;
}

export function readJob(job_id: string): Promise<JobOut> {
  return data(http.GET('/api/jobs/{job_id}', { params: { path: { job_id } } }));
}

export function cancelJob(job_id: string): Promise<JobOut> {
  return data(http.POST('/api/jobs/{job_id}/cancel', { params: { path: { job_id } } }));
}

export function pauseJob(job_id: string): Promise<JobOut> {
  return data(http.POST('/api/jobs/{job_id}/pause', { params: { path: { job_id } } }));
}

export function resumeJob(job_id: string): Promise<JobOut> {
  return data(http.POST('/api/jobs/{job_id}/resume', { params: { path: { job_id } } }));
}

/** A new job that goes on where this one ended, for `epochs` in all where they are given. */
export function runAgain(job_id: string, epochs: number | null, key: string): Promise<JobOut> {
  const params = { path: { job_id }, header: { 'idempotency-key': key } };
  return data(http.POST('/api/jobs/{job_id}/again', { body: { epochs }, params }));
}

/** What like jobs took here, and how many wait already. */
export function estimateJob(body: JobIn, signal: AbortSignal): Promise<EstimateOut> {
  return data(http.POST('/api/jobs/estimate', { body: body as JobBody, signal }));
}

export async function listEncoders(): Promise<EncoderOut[]> {
  return (await data(http.GET('/api/encoders'))).items;
}

/** The same network as `like` with the random weights it would start from. */
export function addUntrained(like: string, seed: number): Promise<EncoderOut> {
  return data(http.POST('/api/encoders', { body: { origin: 'untrained', like, seed } }));
}

/** The encoder that is none: the pixels themselves. */
export function addPixels(dataset_id: string): Promise<EncoderOut> {
  return data(http.POST('/api/encoders', { body: { origin: 'pixels', dataset_id } }));
}
