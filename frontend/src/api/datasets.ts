/** What is asked about one image set: its report, its images, tiles of thumbnails. */
import { data, http, readDataset } from './client';
import { shown } from './errors';
import type { AboutImage, DatasetReport, DatasetUses, JobOut, Split, Variant, VariantPreview } from './types';

/** Some of a set's images; class -1 stands for those without a label. */
export interface Choice {
  split?: Split;
  class_index?: number;
}

/** The report, or how many reports are made before this one. */
export async function readReport(
  dataset_id: string,
  signal: AbortSignal,
): Promise<DatasetReport | { before: number }> {
  return data(http.GET('/api/datasets/{dataset_id}/report', { params: { path: { dataset_id } }, signal }));
}

export function isReport(answer: DatasetReport | { before: number }): answer is DatasetReport {
  return 'n' in answer;
}

/** Where the files that an import left out are, as a table. */
export function skippedUrl(datasetId: string): string {
  return `/api/datasets/${datasetId}/skipped.csv`;
}

/** What is known of an image, and its neighbours among a choice. */
export function readAbout(
  dataset_id: string,
  index: number,
  choice: Choice,
  signal: AbortSignal,
): Promise<AboutImage> {
  const params = { path: { dataset_id, index }, query: choice };
  return data(http.GET('/api/datasets/{dataset_id}/images/{index}/about', { params, signal }));
}

/** Where an image's larger original is. */
export function originalUrl(datasetId: string, index: number): string {
  return `/api/datasets/${datasetId}/images/${index}/original`;
}

/** A tile of thumbnails, for `parseTile`; the browser keeps it. */
export function readTile(
  dataset_id: string,
  number: number,
  choice: Choice,
  signal: AbortSignal,
): Promise<ArrayBuffer> {
  const params = { path: { dataset_id, number }, query: choice };
  return data(
    http.GET('/api/datasets/{dataset_id}/tiles/{number}', { params, parseAs: 'arrayBuffer', signal }),
  );
}

/** What would become of jobs, encoders and results if the set were deleted. */
export function readUses(dataset_id: string, signal: AbortSignal): Promise<DatasetUses> {
  return data(http.GET('/api/datasets/{dataset_id}/uses', { params: { path: { dataset_id } }, signal }));
}

/** Deletes the images; what was made with them stays. */
export async function deleteDataset(dataset_id: string): Promise<void> {
  await data(http.DELETE('/api/datasets/{dataset_id}', { params: { path: { dataset_id } } }));
}

/** How many images of each class and split a variant would have; nothing is made. */
export function previewVariant(
  dataset_id: string,
  variant: Variant,
  signal: AbortSignal,
): Promise<VariantPreview> {
  const params = { path: { dataset_id } };
  return data(http.POST('/api/datasets/{dataset_id}/variants/preview', { params, body: variant, signal }));
}

/** Makes a set of the same images with other splits or fewer labels; the answer is the job that does so. */
export function makeVariant(
  dataset_id: string,
  variant: Variant,
  name: string,
  key: string,
): Promise<JobOut> {
  const params = { path: { dataset_id }, header: { 'idempotency-key': key } };
  const body = { variant, name, submitter: '' };
  return data(http.POST('/api/datasets/{dataset_id}/variants', { params, body }));
}

/** Why a set that was linked is not among those there are: it was deleted, which the lab says with its name, or never was. */
export async function whyMissing(dataset_id: string): Promise<string> {
  try {
    await readDataset(dataset_id);
    return 'This image set has just come: open the page once more.';
  } catch (thrown) {
    const error = shown(thrown);
    return error.status === 404 ? 'There is no image set with this address in this lab.' : error.message;
  }
}
