/** From the JSON schema of a config to the fields of a form, and from what was typed back to a config. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** The parts of a property's schema that a form reads; `unit`, `source` and `basic` are this project's own. */
export interface PropertySchema {
  type?: string;
  enum?: (string | number)[];
  const?: Json;
  $ref?: string;
  title?: string;
  description?: string;
  default?: Json;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  unit?: string;
  source?: string;
  basic?: boolean;
  /** A value that may be left out: its schema, and that of null. */
  anyOf?: PropertySchema[];
}

export interface ConfigSchema {
  title?: string;
  description?: string;
  properties?: Record<string, PropertySchema>;
  $defs?: Record<string, ConfigSchema>;
}

export interface Field {
  /** Dotted place in the config: `epochs`, `augment.crop_scale_min`. */
  path: string;
  label: string;
  why: string;
  unit: string;
  source: string;
  basic: boolean;
  kind: 'integer' | 'number' | 'choice' | 'switch';
  options: string[];
  minimum: number | null;
  exclusiveMinimum: number | null;
  maximum: number | null;
  /** Empty text stands for null, where that is allowed. */
  optional: boolean;
  initial: string;
}

export interface Group {
  /** `''` for the config's own fields, otherwise the name of the nested config. */
  path: string;
  title: string;
  why: string;
  fields: Field[];
}

/** What stands in each field, as text, by path. */
export type Values = Record<string, string>;

/** The groups of a config: its own fields first, then one group for each nested config. */
export function groupsOf(schema: ConfigSchema): Group[] {
  const own: Group = { path: '', title: schema.title ?? '', why: schema.description ?? '', fields: [] };
  const nested: Group[] = [];
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const inner = definition(schema, property);
    if (inner) nested.push(nestedGroup(name, inner, property.default));
    else if (property.const === undefined) own.fields.push(fieldOf(name, '', property, property.default));
  }
  return [own, ...nested];
}

function definition(schema: ConfigSchema, property: PropertySchema): ConfigSchema | null {
  const name = property.$ref?.replace('#/$defs/', '');
  return name === undefined ? null : (schema.$defs?.[name] ?? null);
}

function nestedGroup(name: string, inner: ConfigSchema, initial: Json | undefined): Group {
  // The outer config may start a nested one from other values than its own defaults.
  const start = initial !== null && typeof initial === 'object' && !Array.isArray(initial) ? initial : {};
  const fields = Object.entries(inner.properties ?? {}).map(([key, property]) =>
    fieldOf(key, `${name}.`, property, start[key] ?? property.default),
  );
  return { path: name, title: labelOf(name), why: inner.description ?? '', fields };
}

function fieldOf(name: string, prefix: string, outer: PropertySchema, initial: Json | undefined): Field {
  const schema = { ...outer, ...outer.anyOf?.find(({ type }) => type !== 'null') };
  return {
    path: prefix + name,
    label: labelOf(name),
    why: schema.description ?? '',
    unit: schema.unit ?? '',
    source: schema.source ?? '',
    basic: schema.basic ?? false,
    kind: kindOf(schema),
    options: schema.type === 'boolean' ? ['true', 'false'] : (schema.enum ?? []).map(String),
    minimum: schema.minimum ?? null,
    exclusiveMinimum: schema.exclusiveMinimum ?? null,
    maximum: schema.maximum ?? null,
    optional: outer.anyOf !== undefined,
    initial: initial === undefined || initial === null ? '' : String(initial),
  };
}

function kindOf(schema: PropertySchema): Field['kind'] {
  if (schema.enum) return 'choice';
  if (schema.type === 'boolean') return 'switch';
  return schema.type === 'integer' ? 'integer' : 'number';
}

/** `crop_scale_min` reads "Crop scale min"; a trailing `_p` is left to the unit, which says "probability". */
export function labelOf(name: string): string {
  const words = name.replace(/_p$/, '').replaceAll('_', ' ');
  const titled = words.charAt(0).toUpperCase() + words.slice(1);
  return (TITLES[titled] ?? titled).replace(/^Knn/, 'k-NN').replace(/^K$/, 'k');
}

const TITLES: Record<string, string> = {
  Augment: 'Views',
  Optim: 'Optimisation',
  Follow: 'What is measured meanwhile',
  'Ema decay': 'Moving average',
};

export function fieldsOf(groups: readonly Group[]): Field[] {
  return groups.flatMap((group) => group.fields);
}

export function initialValues(groups: readonly Group[]): Values {
  return Object.fromEntries(fieldsOf(groups).map((field) => [field.path, field.initial]));
}

/** What is wrong with `text` in `field`, as a sentence, or null. */
export function problemWith(field: Field, text: string): string | null {
  if (field.kind === 'choice' || field.kind === 'switch')
    return field.options.includes(text) ? null : `Choose one of ${field.options.join(', ')}.`;
  if (field.optional && text.trim() === '') return null;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) return `Enter a number${rangeText(field)}.`;
  if (field.kind === 'integer' && !Number.isInteger(value)) return `Enter a whole number${rangeText(field)}.`;
  const tooLow = field.minimum !== null && value < field.minimum;
  const notAbove = field.exclusiveMinimum !== null && value <= field.exclusiveMinimum;
  const tooHigh = field.maximum !== null && value > field.maximum;
  return tooLow || notAbove || tooHigh ? `${text} is out of range: enter a number${rangeText(field)}.` : null;
}

/** ` from 2 to 4096`, ` above 0, up to 10`, or nothing where there is no limit. */
export function rangeText({ minimum, exclusiveMinimum, maximum }: Field): string {
  const upTo = maximum === null ? '' : String(maximum);
  if (minimum !== null) return upTo ? ` from ${minimum} to ${upTo}` : ` of ${minimum} or more`;
  if (exclusiveMinimum !== null)
    return upTo ? ` above ${exclusiveMinimum}, up to ${upTo}` : ` above ${exclusiveMinimum}`;
  return upTo ? ` up to ${upTo}` : '';
}

/** Every field's problem, by path; empty when the form can be sent. */
export function problemsIn(groups: readonly Group[], values: Values): Values {
  const problems: Values = {};
  for (const field of fieldsOf(groups)) {
    const problem = problemWith(field, values[field.path] ?? '');
    if (problem) problems[field.path] = problem;
  }
  return problems;
}

/** The config that `values` spell, nested as the schema is. Call it when `problemsIn` found nothing. */
export function toConfig(groups: readonly Group[], values: Values): Record<string, Json> {
  const config: Record<string, Json> = {};
  for (const { path, fields } of groups) {
    const entries = fields.map((field): [string, Json] => {
      const text = values[field.path] ?? field.initial;
      return [field.path.slice(path ? path.length + 1 : 0), typed(field, text)];
    });
    if (path) config[path] = Object.fromEntries(entries);
    else Object.assign(config, Object.fromEntries(entries));
  }
  return config;
}

function typed(field: Field, text: string): Json {
  if (field.optional && text.trim() === '') return null;
  if (field.kind === 'switch') return text === 'true';
  return field.kind === 'choice' ? text : Number(text);
}

/** Values that differ from where the form starts; null for the others, so that they leave the address. */
export function toQuery(groups: readonly Group[], values: Values): Record<string, string | null> {
  return Object.fromEntries(
    fieldsOf(groups).map(({ path, initial }) => {
      const value = values[path] ?? initial;
      return [path, value === initial ? null : value];
    }),
  );
}

/** The form as an address describes it; `prefix` is what stands before a path there. */
export function fromQuery(groups: readonly Group[], query: URLSearchParams, prefix = ''): Values {
  const values = initialValues(groups);
  for (const path of Object.keys(values)) {
    const text = query.get(prefix + path);
    if (text !== null) values[path] = text;
  }
  return values;
}

/** The form as an existing config fills it, such as that of a job to be run again. */
export function fromConfig(groups: readonly Group[], config: Record<string, unknown>): Values {
  const values = initialValues(groups);
  for (const path of Object.keys(values)) {
    let place: unknown = config;
    for (const key of path.split('.')) place = (place as Record<string, unknown> | null | undefined)?.[key];
    if (['number', 'string', 'boolean'].includes(typeof place)) values[path] = String(place);
  }
  return values;
}

/** A config under a name, to start a form from. */
export interface Preset {
  name: string;
  why: string;
  source: string;
  config: Record<string, unknown>;
}

/** The preset that the form spells out now, or null. */
export function presetIn(
  groups: readonly Group[],
  values: Values,
  presets: readonly Preset[],
): Preset | null {
  const same = (preset: Preset): boolean =>
    Object.entries(fromConfig(groups, preset.config)).every(([path, text]) => values[path] === text);
  return presets.find(same) ?? null;
}

/** What an address must say for the form to spell `preset`. */
export function queryOf(groups: readonly Group[], preset: Preset): Record<string, string | null> {
  return toQuery(groups, fromConfig(groups, preset.config));
}

/**
 * The server's complaints laid onto the form: those that name a field by its path's end, and the rest.
 *
 * The server's paths start with where the config stands in the request, such as `config.epochs`.
 */
export function placeComplaints(
  groups: readonly Group[],
  complaints: readonly { path: string; message: string }[],
): { placed: Values; rest: string[] } {
  const paths = fieldsOf(groups)
    .map((field) => field.path)
    .sort((a, b) => b.length - a.length);
  const placed: Values = {};
  const rest: string[] = [];
  for (const { path, message } of complaints) {
    const owner = paths.find((candidate) => path === candidate || path.endsWith(`.${candidate}`));
    if (owner) placed[owner] = message;
    else rest.push(path ? `${path}: ${message}` : message);
  }
  return { placed, rest };
}
