/** What the studies of a policy say, in sentences. */
import type { Hardness, LabelCosts, Overlaps, Shortcuts } from '../api/types';
import { percent, percentOf } from './numbers';
import type { Part } from './policy';

// Below a hundredth of the range of a pixel a change is hardly seen; below a fifth of a level it is rounding.
const HARDLY_LEVELS = 2.55;
const NOTHING_LEVELS = 0.2;
// A loss of the label whose whole interval is above two points is worth a warning.
const WORTH_SAYING = 0.02;

/** What typical pairs have in common. */
export function overlapSaid({ median, apart, draws }: Overlaps): string {
  const nothing = apart > 0 ? `; ${percentOf(apart, draws)} of pairs share nothing` : '';
  return `Half of all pairs share less than ${percent(median)} of what they cover together${nothing}.`;
}

/** A score far above chance: the encoder may learn only that. */
export function shortcutSaid({ shortcuts, chance }: Shortcuts): { text: string; isWarning: boolean } {
  const best = shortcuts.reduce((a, b) => (b.top1 > a.top1 ? b : a));
  if (best.top1 >= 0.5)
    return {
      text: `A mere ${best.feature} solves this task: training may learn that and nothing else. Make colours or crops vary more.`,
      isWarning: true,
    };
  if (best.top1 >= 0.2)
    return {
      text: `A ${best.feature} goes a long way on this task: part of what is learned may be that.`,
      isWarning: true,
    };
  return {
    text: `No trivial feature goes far (chance is ${percent(chance, 1)}): the encoder has to find something else.`,
    isWarning: false,
  };
}

/** Operations whose change of a pixel is nothing, or hardly anything, by their titles. */
export function faintSaid({ changes }: Shortcuts, parts: readonly Part[]): string[] {
  return changes
    .filter(({ levels }) => levels < HARDLY_LEVELS)
    .map(({ part, levels }) => {
      const title = titleOf(part, parts);
      return levels < NOTHING_LEVELS
        ? `${title} changes nothing in these images.`
        : `${title} hardly changes these images: a pixel by ${levels.toFixed(1)} of 255 levels on average.`;
    });
}

/** How hard the pairs are for the encoder. */
export function hardnessSaid({ told_apart, n }: Hardness): string {
  const share = percentOf(told_apart, n);
  if (told_apart >= 0.995)
    return `Easy: a pair is nearly always more similar than strangers (${percent(told_apart, 1)}).`;
  if (told_apart >= 0.9) return `A pair is more similar than two strangers ${share} of the time.`;
  if (told_apart >= 0.65)
    return `Hard: a pair is more similar than two strangers only ${share} of the time; 50 % would be chance.`;
  return `This encoder hardly recognises a pair: ${share}, where 50 % is chance.`;
}

/** Operations that cost the label clearly, the worst first. */
export function costsSaid({ costs }: LabelCosts, parts: readonly Part[]): string[] {
  return costs
    .filter(({ low }) => low > WORTH_SAYING)
    .toSorted((a, b) => b.lost - a.lost)
    .map(({ part, lost, low, high }) => {
      const points = (share: number): string => (100 * share).toFixed(0);
      return `${titleOf(part, parts)} costs the label ${points(lost)} points (${points(low)} to ${points(high)}).`;
    });
}

export function titleOf(part: string, parts: readonly Part[]): string {
  return parts.find(({ name }) => name === part)?.title ?? part;
}
