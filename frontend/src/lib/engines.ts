/** Who looks for the nearest images: by reading all of them, or through something that proposes some. */
import type { Engine, Engines } from '../api/search';
import type { SearchOut } from '../api/types';
import { percent } from './numbers';

type Name = Engines['automatic'];
const NAME: Record<Name, string> = { exact: 'exact', hnsw: 'HNSW graph', pgvector: 'pgvector' };

export interface EngineOption {
  value: Engine;
  label: string;
  isHere: boolean;
}

/** What there is to choose from; while `engines` are not known, all of them. */
export function engineOptions(engines: Engines | null): EngineOption[] {
  const automatic = engines ? `automatic: ${NAME[engines.automatic]}` : 'automatic';
  const named = (['exact', 'hnsw', 'pgvector'] as const).map((value) => {
    const isHere = engines?.here.includes(value) ?? true;
    return { value, label: isHere ? NAME[value] : `${NAME[value]}, needs PostgreSQL`, isHere };
  });
  return [{ value: 'auto', label: automatic, isHere: true }, ...named];
}

/** Who answered and in which time; of an approximate engine the recall too, that was measured when it was built. */
export function engineText({ engine }: Pick<SearchOut, 'engine'>): string {
  const { name, recall, milliseconds, note } = engine;
  const took = `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
  const finds = recall
    ? `, recall@${recall.at} ${percent(recall.value, 1)} against exact search (mean of ${recall.queries} queries)`
    : '';
  const said = `${name === 'exact' ? 'Exact search' : NAME[name]}, ${took}${finds}`;
  return note ? `${said}. ${note}` : said;
}
