/** What a pretraining will take, from its form and from what earlier ones took; and which batch the set can fill. */
import type { DatasetOut, JobOut, PretrainConfig } from '../api/types';
import type { Group, Values } from './configForm';

export interface Estimate {
  steps: number;
  /** The loss of guessing, ln(2N − 1) for the batch size that fits the set. */
  chance: number;
  /** Null while no comparable run has been timed here. */
  seconds: number | null;
}

/** The estimate, or null while the form holds no sensible numbers. */
export function estimate(values: Values, set: DatasetOut, jobs: readonly JobOut[]): Estimate | null {
  const epochs = Number(values['epochs']);
  const images = set.split_sizes['train'] ?? 0;
  const batch = Math.min(Number(values['batch_size']), images);
  if (!(epochs >= 1) || !(batch >= 2)) return null;
  const steps = Math.max(1, Math.floor(images / batch)) * Math.floor(epochs);
  const speed = speedOfTwin(values, set, jobs);
  return {
    steps,
    chance: Math.log(2 * batch - 1),
    seconds: speed === null ? null : (steps * batch) / speed,
  };
}

/** Images a second of the newest run of the same network on images of the same size. */
function speedOfTwin(values: Values, set: DatasetOut, jobs: readonly JobOut[]): number | null {
  for (const job of jobs) {
    if (job.kind !== 'pretrain' || job.dataset_id !== set.id || job.result?.kind !== 'pretrain') continue;
    const { encoder } = job.config as Partial<PretrainConfig>;
    const same = (['architecture', 'stem', 'width'] as const).every(
      (part) => String(encoder?.[part]) === values[`encoder.${part}`],
    );
    if (same && job.result.images_per_s > 0) return job.result.images_per_s;
  }
  return null;
}

/**
 * The form for a set: a batch holds no more images than there are to train on.
 *
 * Where the usual batch is larger than the set, it starts from the largest power of two that fits.
 */
export function fitBatch(groups: readonly Group[], trainImages: number): Group[] {
  return groups.map((group) => ({
    ...group,
    fields: group.fields.map((field) => {
      if (field.path !== 'batch_size' || trainImages < 2) return field;
      const maximum = Math.min(field.maximum ?? trainImages, trainImages);
      const fits = Number(field.initial) <= maximum;
      return {
        ...field,
        maximum,
        initial: fits ? field.initial : String(2 ** Math.floor(Math.log2(maximum))),
      };
    }),
  }));
}
