/** The address of the form that holds a job's recipe, so that a changed copy of it can be sent. */
import type { Configs } from '../api/client';
import type { DatasetOut, JobOut, Strategy } from '../api/types';
import { fromConfig, groupsOf, toQuery, type Group, type Values } from './configForm';
import { fitBatch } from './outline';
import { PRIORITY_NAME } from './jobWords';
import { href } from './routes';

/** Null for work that has no form. `set` is the job's image set, if it is still there. */
export function copyAddress(job: JobOut, configs: Configs, set: DatasetOut | null): string | null {
  if (job.kind === 'pretrain') {
    const groups = fitBatch(groupsOf(configs.pretrain), set?.split_sizes['train'] ?? 0);
    return href('/train', { ...placeQuery(job), ...toQuery(groups, fromConfig(groups, job.config)) });
  }
  const strategy = job.config['strategy'] as Strategy | undefined;
  if (job.kind !== 'transfer' || strategy === undefined) return null;
  const groups = groupsOf(configs.transfer[strategy]);
  return href('/transfer', {
    ...placeQuery(job),
    encoders: job.encoder_id,
    strategies: strategy,
    ...strategyQuery(strategy, groups, fromConfig(groups, job.config)),
  });
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
