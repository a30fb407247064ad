/** Facts about an image set, computed from its counts. */
import type { DatasetOut, DatasetUses, Split } from '../api/types';
import { count, counted } from './numbers';

export const SPLITS: readonly Split[] = ['train', 'val', 'test'];

export const SPLIT_NAME: Record<Split, string> = { train: 'train', val: 'validation', test: 'test' };

/** Labelled images of a class over all splits. */
export function classTotal(dataset: DatasetOut, index: number): number {
  return SPLITS.reduce((sum, split) => sum + (dataset.counts[split]?.[index] ?? 0), 0);
}

/** Images without a label in a split. */
export function unlabelled(dataset: DatasetOut, split: Split): number {
  const labelled = (dataset.counts[split] ?? []).reduce((sum, n) => sum + n, 0);
  return (dataset.split_sizes[split] ?? 0) - labelled;
}

/** How many images are in a split (null for all) and class (null for all, -1 for those without a label). */
export function matching(dataset: DatasetOut, split: Split | null, classIndex: number | null): number {
  const splits = split ? [split] : SPLITS;
  const inSplit = (each: Split): number => {
    if (classIndex === null) return dataset.split_sizes[each] ?? 0;
    return classIndex < 0 ? unlabelled(dataset, each) : (dataset.counts[each]?.[classIndex] ?? 0);
  };
  return splits.reduce((sum, each) => sum + inSplit(each), 0);
}

/** A generative factor: kinds are whole numbers, measures need three digits. */
export function factorText(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

/** The precision that a search by chance would reach: the class's share of all other images. */
export function chanceShare(dataset: DatasetOut, classIndex: number): number {
  const others = dataset.n - 1;
  return others > 0 ? Math.max(0, classTotal(dataset, classIndex) - 1) / others : 0;
}

/** The accuracy of always guessing the commonest class of a split, or null where nothing is labelled. */
export function commonestShare(dataset: DatasetOut, split: Split): number | null {
  const counts = dataset.counts[split] ?? [];
  const labelled = counts.reduce((sum, n) => sum + n, 0);
  return labelled > 0 ? Math.max(...counts) / labelled : null;
}

/** `count` positions spread evenly over `n` images, so that a first look shows more than the first class. */
export function spread(n: number, count: number): number[] {
  const taken = Math.min(n, count);
  return Array.from({ length: taken }, (_, i) => Math.floor(((i + 0.5) * n) / taken));
}

/** As many images as were drawn: those that are chosen stay in sight, wherever they were chosen, and fewer others. */
export function handful(drawn: readonly number[], chosen: readonly number[]): number[] {
  const others = drawn.filter((index) => !chosen.includes(index));
  const left = new Set(others.slice(0, Math.max(0, drawn.length - chosen.length)));
  const elsewhere = chosen.filter((index) => !drawn.includes(index));
  return [...elsewhere, ...drawn.filter((index) => chosen.includes(index) || left.has(index))];
}

/** `validation 142`, and how many of them have a label where only some have. */
export function splitText(dataset: DatasetOut, split: Split): string {
  const size = dataset.split_sizes[split] ?? 0;
  const labelled = size - unlabelled(dataset, split);
  const some = labelled > 0 && labelled < size ? ` (${count(labelled)} labelled)` : '';
  return `${SPLIT_NAME[split]} ${count(size)}${some}`;
}

/** `count` different positions out of `n`, the same ones for the same seed. */
export function sample(n: number, count: number, seed: number): number[] {
  const random = mulberry32(seed);
  const chosen = new Set<number>();
  while (chosen.size < Math.min(n, count)) chosen.add(Math.floor(random() * n));
  return [...chosen];
}

/** A small seeded generator of numbers in [0, 1) (Tommy Ettinger's mulberry32, public domain). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A new seed, small enough to read out loud. */
export function freshSeed(): number {
  return Math.floor(Math.random() * 100000);
}

export type ArchiveFormat = 'zip' | 'tar' | 'npz';

/** What file dialogs offer; the last two are how browsers see `.tar.gz` and `.tar.xz`. */
export const ARCHIVE_ENDINGS = '.zip,.npz,.tar,.tgz,.txz,.gz,.xz';
const ENDING = /\.(zip|npz|tar|tgz|txz|tar\.gz|tar\.xz)$/i;

/** The import format of a file by its name, or null when it is no archive we read. */
export function archiveFormat(name: string): ArchiveFormat | null {
  const ending = ENDING.exec(name)?.[1]?.toLowerCase();
  if (ending === undefined) return null;
  return ending === 'zip' || ending === 'npz' ? ending : 'tar';
}

/** A set's name as its file suggests it: without folder and ending. */
export function nameFromFile(fileName: string): string {
  return fileName.replace(/^.*[/\\]/, '').replace(ENDING, '') || 'images';
}

/** What stays when the images are deleted: "2 encoders, 6 results and 9 ended jobs"; empty where nothing does. */
export function stayingText({ encoders, embeddings, results, jobs }: DatasetUses): string {
  const parts = [
    encoders.length > 0 && counted(encoders.length, 'encoder'),
    embeddings > 0 && counted(embeddings, 'bank of embeddings', 'banks of embeddings'),
    results > 0 && counted(results, 'result'),
    jobs > 0 && counted(jobs, 'ended job'),
  ].filter((part) => part !== false);
  const last = parts.pop() ?? '';
  return parts.length > 0 ? `${parts.join(', ')} and ${last}` : last;
}
