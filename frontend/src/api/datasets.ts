/** What is asked about one image set: its report. */
import { data, http } from './client';
import type { DatasetReport } from './types';

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
