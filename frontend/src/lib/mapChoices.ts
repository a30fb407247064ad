/** Which map is meant: choices as they stand in the address, and the map or job that answers to them. */
import type { MapConfig, MapOut } from '../api/maps';
import type { EncoderOut, JobOut } from '../api/types';
import { href } from './routes';

/** What a UMAP depends on; `pull` only where there are several maps. */
const OF_UMAP = ['neighbours', 'min_dist', 'epochs', 'seed'] as const;

/** Whether a map is of these encoders, in this order, by these choices. */
export function isSameMap(
  { encoder_ids, config }: { encoder_ids: readonly string[]; config: MapConfig },
  encoderIds: readonly string[],
  wanted: MapConfig,
): boolean {
  if (encoder_ids.length !== encoderIds.length || encoder_ids.some((id, i) => id !== encoderIds[i]))
    return false;
  if (config.method !== wanted.method || config.features !== wanted.features) return false;
  if (wanted.method === 'pca') return true;
  return (
    OF_UMAP.every((name) => config[name] === wanted[name]) &&
    (encoderIds.length === 1 || config.pull === wanted.pull)
  );
}

export function knownMap(
  maps: readonly MapOut[],
  encoderIds: readonly string[],
  wanted: MapConfig,
): MapOut | null {
  return maps.find((map) => isSameMap(map, encoderIds, wanted)) ?? null;
}

/** The newest job that makes, or tried to make, this map. */
export function jobOf(
  jobs: readonly JobOut[],
  encoderIds: readonly string[],
  wanted: MapConfig,
): JobOut | null {
  return (
    jobs.find(({ kind, config }) => {
      if (kind !== 'map') return false;
      const order = config as unknown as MapConfig & { encoder_ids: string[] };
      return isSameMap({ encoder_ids: order.encoder_ids, config: order }, encoderIds, wanted);
    }) ?? null
  );
}

/** The states of which there can be maps side by side in time: with one epoch there is nothing to slide. */
export function courseOf(encoder: EncoderOut, embedded: readonly EncoderOut[]): readonly EncoderOut[] {
  return embedded.length > 1 ? embedded : [encoder];
}

/** Where a state stands among others by its epoch: the one asked for, else the last. */
export function frameOf(course: readonly EncoderOut[], epoch: number | null): number {
  const at = course.findIndex((state) => state.epoch === epoch);
  return at < 0 ? course.length - 1 : at;
}

/** Where the map of a job is looked at. */
export function mapAddress(job: JobOut): string {
  const { method, features, neighbours, min_dist, epochs, pull, seed, encoder_ids } =
    job.config as unknown as MapConfig & {
      encoder_ids: string[];
    };
  return href('/map', {
    dataset: job.dataset_id,
    encoder: encoder_ids.at(-1),
    follow: encoder_ids.length > 1 ? 1 : null,
    ...{ method, features, neighbours, min_dist, epochs, pull, seed },
  });
}
