/** The columns of the Search page: which encoders answer, side by side, as the address has them. */
import type { EncoderOut } from '../api/types';
import { listOf } from './routes';

export type Features = 'h' | 'z';

/** An encoder and which of its features are compared; the same encoder may stand in two columns, by h and by z. */
export interface Column {
  encoder: string;
  features: Features;
}

export const MOST_COLUMNS = 4;
const WRITTEN = /^([0-9a-z]+)(\.z)?$/;

/** How a column stands in the address: `01ab`, or `01ab.z` where projections are compared. */
export function keyOf({ encoder, features }: Column): string {
  return features === 'z' ? `${encoder}.z` : encoder;
}

function columnOf(written: string): Column | null {
  const found = WRITTEN.exec(written);
  return found?.[1] === undefined ? null : { encoder: found[1], features: found[2] ? 'z' : 'h' };
}

/** The columns of an address, each once, four at most; links from before name one `encoder`. */
export function columnsOf(query: URLSearchParams): Column[] {
  const several = listOf(query, 'encoders');
  const written = several.length > 0 ? several : listOf(query, 'encoder').slice(0, 1);
  return distinct(written.flatMap((each) => columnOf(each) ?? [])).slice(0, MOST_COLUMNS);
}

/** What the address must say for these columns to stand in it. */
export function noted(columns: readonly Column[]): { encoders: string[]; encoder: null } {
  return { encoders: columns.map(keyOf), encoder: null };
}

/** Whether an encoder has looked at a set, and has kept the features that a column compares. */
export function isEmbedded(
  encoder: Pick<EncoderOut, 'embedded_dataset_ids' | 'projected_dataset_ids'> | null | undefined,
  features: Features,
  datasetId: string,
): boolean {
  const sets = features === 'z' ? encoder?.projected_dataset_ids : encoder?.embedded_dataset_ids;
  return sets?.includes(datasetId) ?? false;
}

/** What a column is called: its place as a letter. */
export function letterOf(place: number): string {
  return String.fromCharCode(65 + place);
}

/** With the column at `place` taken out. */
export function without(columns: readonly Column[], place: number): Column[] {
  return columns.filter((_, i) => i !== place);
}

/** With the column at `place` exchanged with its neighbour on one side; unchanged at an end. */
export function moved(columns: readonly Column[], place: number, by: -1 | 1): Column[] {
  const [one, other] = [columns[place], columns[place + by]];
  if (!one || !other) return [...columns];
  return columns.map((column, i) => (i === place ? other : i === place + by ? one : column));
}

/** With another column at `place`; a twin of it that stands elsewhere goes. */
export function replaced(columns: readonly Column[], place: number, column: Column): Column[] {
  return columns
    .map((each, i) => (i === place ? column : each))
    .filter((each, i) => i === place || keyOf(each) !== keyOf(column));
}

/** With a column at the end, where there is room and it does not stand yet. */
export function withColumn(columns: readonly Column[], column: Column): Column[] {
  return distinct([...columns, column]).slice(0, MOST_COLUMNS);
}

function distinct(columns: readonly Column[]): Column[] {
  const keys = columns.map(keyOf);
  return columns.filter((_, i) => keys.indexOf(keys[i] ?? '') === i);
}
