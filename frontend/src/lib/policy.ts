/** A policy as cards: one for each operation, in the order in which they are applied. */
import { fieldsOf, problemWith, type Field, type Group, type Values } from './configForm';

/** An operation of a policy: the fields that it reads, and what switches it on and off. */
export interface Part {
  name: string;
  title: string;
  fields: string[];
  on: Record<string, number>;
  off: Record<string, number>;
}

export interface Card {
  part: Part;
  /** Those that matter most, which stand open; the others are folded away. */
  open: Field[];
  folded: Field[];
}

/** Fields are found by their name, wherever the config stands in `groups`. */
export function cardsOf(parts: readonly Part[], groups: readonly Group[]): Card[] {
  const fields = new Map(fieldsOf(groups).map((field) => [field.path, field]));
  return parts.map((part) => {
    const own = part.fields.flatMap((name) => fields.get(name) ?? []);
    const basic = own.filter((field) => field.basic);
    // Where nothing is basic there is nothing to fold the rest behind.
    return basic.length === 0
      ? { part, open: own, folded: [] }
      : { part, open: basic, folded: own.filter((field) => !field.basic) };
  });
}

/** Whether an operation changes any view: its first field, a probability, is above zero; a crop keeps less than all. */
export function isOn({ fields }: Part, values: Values): boolean {
  const [first = ''] = fields;
  const value = Number(values[first]);
  return first.endsWith('_p') ? value > 0 : value < 1;
}

/** What the address must say to switch an operation; `kept` is what its fields were before it was last switched off. */
export function switched(part: Part, fields: readonly Field[], on: boolean, kept: Values): Values {
  const target = on ? { ...textsOf(part.on), ...kept } : textsOf(part.off);
  const known = new Map(fields.map((field) => [field.path, field]));
  return Object.fromEntries(
    Object.entries(target).filter(([name, text]) => {
      const field = known.get(name);
      return field !== undefined && problemWith(field, text) === null;
    }),
  );
}

/** What an operation's switch would overwrite, to come back to; empty where it is off already. */
export function keptOf(part: Part, values: Values): Values {
  if (!isOn(part, values)) return {};
  return Object.fromEntries(Object.keys(part.off).map((name) => [name, values[name] ?? '']));
}

/** What an operation does, in a few words: its open fields that are not at rest. */
export function summaryOf(card: Card, values: Values): string {
  if (!isOn(card.part, values)) return 'off';
  return card.open
    .filter((field) => field.kind !== 'choice')
    .slice(0, 2)
    .map(({ path, unit }) => {
      const value = values[path] ?? '';
      if (unit === 'probability')
        return value === '1' ? 'always' : `${Math.round(100 * Number(value))} % of views`;
      return `${path.endsWith('_min') ? 'from ' : path.endsWith('_max') ? 'up to ' : ''}${value} ${unit}`.trim();
    })
    .join(' · ');
}

/** What the miniature of an operation depends on: asked for again only when this has changed. */
export function miniatureKey(
  { fields }: Part,
  { config, seed, indices, photo }: { config: object; seed: number; indices: number[]; photo: string | null },
): string {
  const own = fields.map((name) => (config as Record<string, unknown>)[name]);
  // A picture's last letters, checksums among them, tell it from others.
  return JSON.stringify([own, seed, photo === null ? indices[0] : photo.slice(-64)]);
}

function textsOf(values: Record<string, number>): Values {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}
