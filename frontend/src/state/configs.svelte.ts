/** The schemas of every config, fetched once: they change only with the lab's version. */
import * as api from '../api/client';

let known: Promise<api.Configs> | null = null;

export function configs(): Promise<api.Configs> {
  known ??= api.readConfigs().catch((thrown: unknown) => {
    known = null; // so that the next page asks again
    throw thrown;
  });
  return known;
}
