/** A verdict on a pretraining in words. */
import type { Verdict } from '../api/types';

export const VERDICT_SAYS: Record<Verdict['state'], string> = {
  too_early: 'Too early to say whether it learns',
  at_chance: 'It stays at chance',
  learning: 'It learns',
  flat_loss_probe_rising: 'The loss is flat, yet the features get better',
  collapsed_total: 'It has collapsed: every image looks the same',
  collapsed_dimensional: 'It has collapsed onto a few dimensions',
  shortcut_suspected: 'A shortcut is suspected',
};

/** How it is marked: `good`, `bad`, or neither. */
export function verdictTone(state: Verdict['state']): 'good' | 'bad' | '' {
  if (state === 'learning' || state === 'flat_loss_probe_rising') return 'good';
  return state === 'too_early' ? '' : 'bad';
}

/** A figure with the digits that tell it apart from its rule's bound. */
export function figureSaid({ name, value, rule }: Verdict['because'][number]): string {
  return `${name} ${Number(value.toPrecision(3))}: ${rule}`;
}
