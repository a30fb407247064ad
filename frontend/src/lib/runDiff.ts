/** What differs in the settings of several runs. */
import { labelOf } from './configForm';

export interface Difference {
  name: string;
  /** By run, in their order; null where a run's config, of another version, does not have it. */
  values: (string | null)[];
}

/** Every choice in which the configs are not all alike, in the order in which they first occur. */
export function differences(configs: readonly Record<string, unknown>[]): Difference[] {
  const flats = configs.map((config) => new Map(flat(config)));
  const names = [...new Set(flats.flatMap((each) => [...each.keys()]))];
  return names
    .map((name) => ({ name, values: flats.map((each) => each.get(name) ?? null) }))
    .filter(({ values }) => new Set(values).size > 1);
}

function flat(config: Record<string, unknown>, prefix = ''): [string, string][] {
  return Object.entries(config).flatMap(([name, value]): [string, string][] =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? flat(value as Record<string, unknown>, `${prefix}${labelOf(name)}: `)
      : [[prefix + labelOf(name), value === null ? 'none' : String(value)]],
  );
}
