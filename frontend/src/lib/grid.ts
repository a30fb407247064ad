/** A grid of transfers as an address spells it: encoders × strategies × depths × amounts of labels × seeds. */
import type { Configs } from '../api/client';
import type { GridIn, Strategy } from '../api/types';
import { fromQuery, groupsOf, problemsIn, toConfig, type Group, type Values } from './configForm';
import { counted } from './numbers';
import { listOf } from './routes';
import { STRATEGIES } from './scores';

/** One choice on an axis: as the address has it, and as the form says it. */
export interface Option {
  value: string;
  label: string;
  /** What it means, in a sentence. */
  why: string;
}

export const DEPTHS: readonly Option[] = [
  { value: 'all', label: 'everything', why: 'The whole encoder is trained.' },
  { value: '3', label: 'last 3 stages', why: 'The last three stages and the classifier are trained.' },
  { value: '2', label: 'last 2 stages', why: 'The last two stages and the classifier are trained.' },
  { value: '1', label: 'last stage', why: 'The last stage and the classifier are trained.' },
  { value: '0', label: 'head only', why: 'Only the classifier is trained; the encoder stays as it is.' },
];
const AMOUNTS = ['1', '0.5', '0.25', '0.1', '0.05', '0.01', 's1', 's10', 's100'] as const;
const SEEDS = ['0', '1', '2', '3', '4'] as const;

/** The axes that an address names. */
export interface Axes {
  encoders: string[];
  strategies: Strategy[];
  depths: string[];
  labels: string[];
  seeds: string[];
  scratch: boolean;
}

/** What the form itself asks for, so that the choices of a strategy need not. */
const ON_AXES = new Set([
  'seed',
  'unfrozen_blocks',
  'start',
  'labels.fraction',
  'labels.shots',
  'labels.seed',
]);

export function axesOf(query: URLSearchParams): Axes {
  const asked = listOf(query, 'strategies');
  return {
    encoders: listOf(query, 'encoders'),
    strategies: query.has('strategies')
      ? STRATEGIES.filter((each) => asked.includes(each))
      : ['knn', 'linear_probe'],
    depths: onAxis(query, 'depths', 'all', isDepth),
    labels: onAxis(query, 'labels', '1', isAmount),
    seeds: onAxis(query, 'seeds', '0', isSeed),
    scratch: query.get('scratch') === '1',
  };
}

function onAxis(
  query: URLSearchParams,
  name: string,
  usual: string,
  isOne: (text: string) => boolean,
): string[] {
  const asked = [...new Set(listOf(query, name).filter(isOne))];
  return asked.length > 0 ? asked : [usual];
}

const isDepth = (text: string): boolean => text === 'all' || /^[0-4]$/.test(text);
const isSeed = (text: string): boolean => /^\d{1,9}$/.test(text);

export function isAmount(text: string): boolean {
  if (/^s[1-9]\d{0,4}$/.test(text)) return true;
  const share = Number(text);
  return text.trim() !== '' && share > 0 && share <= 1;
}

/** The amounts of labels to choose from, and those that the address adds. */
export function amounts(chosen: readonly string[]): Option[] {
  const all = [...new Set<string>([...AMOUNTS, ...chosen])];
  return all.map((value) => ({ value, label: amountText(value), why: amountWhy(value) }));
}

export function seeds(chosen: readonly string[]): Option[] {
  return [...new Set<string>([...SEEDS, ...chosen])].map((value) => ({
    value,
    label: value,
    why: 'Draws which labels are kept, the order of images and the first classifier.',
  }));
}

/** `all`, `10 %`, `10 a class`. */
export function amountText(value: string): string {
  if (value.startsWith('s')) return `${Number(value.slice(1)).toLocaleString('en-GB')} a class`;
  return value === '1' ? 'all' : `${Number((100 * Number(value)).toPrecision(6))} %`;
}

function amountWhy(value: string): string {
  if (value.startsWith('s'))
    return `${counted(Number(value.slice(1)), 'labelled training image')} of every class.`;
  return value === '1'
    ? 'Every training label is used.'
    : `${amountText(value)} of every class's training labels are used; validation and test keep all of theirs.`;
}

/** An axis with `value` added or taken away; the usual one alone is not written into the address. */
export function toggled(chosen: readonly string[], value: string, options: readonly Option[]): string[] {
  const next = new Set(chosen);
  if (!next.delete(value)) next.add(value);
  return options.map((option) => option.value).filter((each) => next.has(each));
}

/** A strategy's form without what the grid's axes say. */
export interface StrategyForm {
  groups: Group[];
  values: Values;
  problems: Values;
}

export function formOf(configs: Configs, strategy: Strategy, query: URLSearchParams): StrategyForm {
  const groups = ownGroups(configs, strategy);
  const values = fromQuery(groups, query, `${strategy}.`);
  return { groups, values, problems: problemsIn(groups, values) };
}

export function ownGroups(configs: Configs, strategy: Strategy): Group[] {
  return groupsOf(configs.transfer[strategy])
    .map((group) => ({ ...group, fields: group.fields.filter(({ path }) => !ON_AXES.has(path)) }))
    .filter((group) => group.path === '' || group.fields.length > 0);
}

/** The grid to ask for. */
export function gridOf(dataset_id: string, axes: Axes, forms: Record<Strategy, StrategyForm>): GridIn {
  const strategies = axes.strategies.map((strategy) => ({
    ...toConfig(forms[strategy].groups, forms[strategy].values),
    strategy,
  })) as unknown as GridIn['strategies'];
  const some = (values: string[], usual: string): string[] => (values.join() === usual ? [] : values);
  const labels = some(axes.labels, '1');
  return {
    dataset_id,
    encoders: axes.encoders,
    strategies,
    depths: axes.strategies.includes('fine_tune')
      ? some(axes.depths, 'all').map((depth) => (depth === 'all' ? null : Number(depth)))
      : [],
    fractions: labels.filter((each) => !each.startsWith('s')).map(Number),
    shots: labels.filter((each) => each.startsWith('s')).map((each) => Number(each.slice(1))),
    seeds: some(axes.seeds, '0').map(Number),
    from_scratch: axes.scratch,
  };
}

/** Why a grid cannot be asked for yet, or an empty text. */
export function missing(axes: Axes): string {
  if (axes.encoders.length === 0) return 'Tick at least one encoder.';
  if (axes.strategies.length === 0 && !axes.scratch) return 'Tick at least one strategy.';
  return '';
}

/** The grid as a product: `3 encoders × 2 strategies × 3 seeds`. */
export function productText(axes: Axes): string {
  const tuned = axes.strategies.includes('fine_tune');
  return [
    counted(axes.encoders.length, 'encoder'),
    counted(axes.strategies.length + Number(axes.scratch), 'strategy', 'strategies'),
    tuned && axes.depths.length > 1 && counted(axes.depths.length, 'depth'),
    axes.labels.length > 1 && counted(axes.labels.length, 'amount of labels', 'amounts of labels'),
    axes.seeds.length > 1 && counted(axes.seeds.length, 'seed'),
  ]
    .filter((part) => part !== false)
    .join(' × ');
}
