/** What a data set's report says, in sentences. */
import type { DatasetReport, Leak, Split, Twin } from '../api/types';
import { count, counted } from './numbers';
import { SPLIT_NAME } from './sets';

/** Leaks that hold an image, the worst first. */
export function leaksOf(report: DatasetReport): Leak[] {
  return report.duplicates.leaks
    .filter((leak) => leak.exact + leak.near > 0)
    .sort((a, b) => b.exact + b.near - a.exact - a.near);
}

/** "37 test images also stand in train"; "may", where none has the same pixels, as images that are nearly alike can be two. */
export function leakSentence({ of, also_in, exact, near }: Leak): string {
  const n = exact + near;
  const stand = exact === 0 ? 'may also stand' : n === 1 ? 'also stands' : 'also stand';
  return `${counted(n, `${SPLIT_NAME[of]} image`)} ${stand} in ${SPLIT_NAME[also_in]}`;
}

/** "20 with the same pixels, 17 nearly". */
export function howAlike({ exact, near }: { exact: number; near: number }): string {
  const parts = [];
  if (exact > 0) parts.push(`${count(exact)} with the same pixels`);
  if (near > 0) parts.push(`${count(near)} nearly`);
  return parts.join(', ');
}

/** How even the classes of a split are. */
export function balanceSentence(report: DatasetReport, split: Split): string | null {
  const balance = report.balance[split];
  if (!balance) return null;
  const { largest, smallest, ratio, effective_classes } = balance;
  if (ratio === null) {
    const without = (report.counts[split] ?? []).filter((n) => n === 0).length;
    return `${counted(without, 'class has', 'classes have')} no labelled ${SPLIT_NAME[split]} image; the largest has ${count(largest)}.`;
  }
  if (largest === smallest) return `Even: ${counted(largest, 'image')} of every class.`;
  const times = ratio < 10 ? ratio.toFixed(1) : count(ratio);
  return `The largest class has ${times} times the images of the smallest (${count(largest)} and ${count(smallest)}): as uncertain as ${effective_classes.toFixed(1)} even classes.`;
}

/** The sizes of the originals, the most common first. */
export function sizesSentence(report: DatasetReport, shown = 4): string {
  const { sizes, image_size } = report;
  const stored = `${image_size} × ${image_size} px`;
  if (sizes.length === 0) return `All ${stored}.`;
  const told = sizes.slice(0, shown).map(({ width, height, n }) => `${width} × ${height} px (${count(n)})`);
  const more = sizes.length - shown;
  if (more > 0) told.push(`${count(more)} other ${more === 1 ? 'size' : 'sizes'}`);
  return `Stored as ${stored}; the originals were ${told.join(', ')}.`;
}

/** What a pair of twins is, for those who do not see it. */
export function twinSentence(twin: Twin, splitOf: string): string {
  const alike = twin.kind === 'exact' ? 'has the same pixels as' : 'is nearly the same as';
  const names = twin.same_class === false ? ', under another class' : '';
  return `Image ${twin.image} ${alike} image ${twin.twin}${names} (${splitOf})`;
}
