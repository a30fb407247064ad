/** The address of the form that holds a job's recipe, so that a changed copy of it can be sent. */
import type { Configs } from '../api/client';
import type { DatasetOut, JobOut, Strategy } from '../api/types';
import { fromConfig, groupsOf, toQuery, type Group, type Values } from './configForm';
import { fitBatch } from './outline';
import { PRIORITY_NAME } from './jobWords';
import { ownGroups } from './grid';
import { choicesOf } from './methods';
import { href } from './routes';

/** Null for work that has no form. `set` is the job's image set, if it is still there. */
export function copyAddress(job: JobOut, configs: Configs, set: DatasetOut | null): string | null {
  if (job.kind === 'pretrain') {
    const groups = fitBatch(groupsOf(configs.pretrain), set?.split_sizes['train'] ?? 0);
    return href('/train', { ...placeQuery(job), ...toQuery(groups, fromConfig(groups, job.config)) });
  }
  if (job.kind !== 'transfer' || job.config['strategy'] === undefined || job.encoder_id === null) return null;
  const { dataset_id, encoder_id, config } = job;
  return href('/transfer', {
    ...placeQuery(job),
    ...transferQuery({ dataset_id, encoder_id, config }, configs),
  });
}

/** What of a transfer its form shows. */
interface Transfer {
  dataset_id: string | null;
  encoder_id: string;
  config: Record<string, unknown>;
}

/** The address of the form that holds a transfer as a grid of one. */
export function transferAddress(transfer: Transfer, configs: Configs): string {
  return href('/transfer', transferQuery(transfer, configs));
}

function transferQuery(
  { dataset_id, encoder_id, config }: Transfer,
  configs: Configs,
): Record<string, string | null> {
  const { strategy, scratch, depth, labels, seed } = choicesOf(config);
  const groups = ownGroups(configs, strategy);
  return {
    dataset: dataset_id,
    encoders: encoder_id,
    strategies: scratch ? 'none' : strategy,
    scratch: scratch ? '1' : null,
    depths: depth === null ? null : String(depth),
    labels: labels === '1' ? null : labels,
    seeds: seed === 0 ? null : String(seed),
    ...strategyQuery(strategy, groups, fromConfig(groups, config)),
  };
}

/** What a job works on, how pressing it is and where alone it may run. */
function placeQuery({ dataset_id, priority, pinned_to }: JobOut): Record<string, string | null> {
  return {
    dataset: dataset_id,
    priority: priority === 0 ? null : (PRIORITY_NAME[priority] ?? null),
    device: pinned_to,
  };
}

/** A strategy's choices in an address: `fine_tune.epochs=5`; null where they are the usual ones. */
export function strategyQuery(
  strategy: Strategy,
  groups: readonly Group[],
  values: Values,
): Record<string, string | null> {
  return Object.fromEntries(
    Object.entries(toQuery(groups, values)).map(([path, text]) => [`${strategy}.${path}`, text]),
  );
}
