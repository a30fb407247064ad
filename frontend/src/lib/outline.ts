/** What a pretraining's form says by itself: its steps, the loss of guessing, and which batch the set can fill. */
import type { DatasetOut } from '../api/types';
import type { Group, Values } from './configForm';

export interface Outline {
  steps: number;
  /** The loss of guessing, ln(2N − 1) for the batch size that fits the set. */
  chance: number;
}

/** The outline, or null while the form holds no sensible numbers. */
export function outline(values: Values, set: DatasetOut): Outline | null {
  const epochs = Number(values['epochs']);
  const images = set.split_sizes['train'] ?? 0;
  const batch = Math.min(Number(values['batch_size']), images);
  if (!(epochs >= 1) || !(batch >= 2)) return null;
  return {
    steps: Math.max(1, Math.floor(images / batch)) * Math.floor(epochs),
    chance: Math.log(2 * batch - 1),
  };
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
