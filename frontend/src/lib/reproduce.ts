/** "Run this again": a transfer as a command line and as Python, with every choice that differs from the usual one. */

type Json = Record<string, unknown>;

const CONFIG_NAME: Record<string, string> = {
  knn: 'KnnConfig',
  linear_probe: 'LinearProbeConfig',
  fine_tune: 'FineTuneConfig',
};

/** What a transfer's choices, from the config's usual ones. */
export function changedFrom(config: Json, usual: Json): Json {
  const changed: Json = {};
  for (const [name, value] of Object.entries(config)) {
    const known = usual[name];
    if (isNested(value) && isNested(known)) {
      const inner = changedFrom(value, known);
      if (Object.keys(inner).length > 0) changed[name] = inner;
    } else if (name !== 'strategy' && JSON.stringify(value) !== JSON.stringify(known)) changed[name] = value;
  }
  return changed;
}

function isNested(value: unknown): value is Json {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** The command line: `simclr transfer SET --encoder FILE --strategy fine_tune --labels-fraction 0.1`. */
export function commandLine(strategy: string, changed: Json, set: string, encoder: string): string {
  const options = flat(changed).map(([path, value]) => {
    const name = path.replaceAll('_', '-');
    if (typeof value === 'boolean') return value ? `--${name}` : `--no-${name}`;
    return `--${name} ${shellWord(String(value))}`;
  });
  return [
    `simclr transfer ${shellWord(set)}`,
    `--encoder ${shellWord(encoder)}`,
    `--strategy ${strategy}`,
    ...options,
    '--out runs/again',
  ].join(' \\\n    ');
}

function flat(config: Json, prefix = ''): [string, unknown][] {
  return Object.entries(config).flatMap(([name, value]): [string, unknown][] =>
    isNested(value) ? flat(value, `${prefix}${name}-`) : [[prefix + name, value]],
  );
}

function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The same in Python. `set` is the folder of the images. */
export function pythonCode(strategy: string, changed: Json, set: string, encoder: string): string {
  const name = CONFIG_NAME[strategy] ?? 'KnnConfig';
  const nested = new Set(Object.entries(changed).flatMap(([key, value]) => (isNested(value) ? [key] : [])));
  const models = [name, ...(nested.has('labels') ? ['LabelsConfig'] : [])];
  const values = Object.entries(changed).map(([key, value]) => {
    if (!isNested(value)) return `${key}=${literal(value)}`;
    const inner = Object.entries(value).map(([field, each]) => `${field}=${literal(each)}`);
    // A nested model given in part begins from the usual choices of this strategy, not of its own.
    return key === 'augment'
      ? `augment=${name}().augment.model_copy(update=dict(${inner.join(', ')}))`
      : `${key}=LabelsConfig(${inner.join(', ')})`;
  });
  return `from pathlib import Path

from simclr.config import ${models.sort().join(', ')}
from simclr.datasets import open_dataset
from simclr.runs import Run
from simclr.transfer import transfer

images = open_dataset(Path(${literal(set)}))
config = ${name}(${values.join(', ')})
result = transfer(config, Path(${literal(encoder)}), images, Run(Path("runs/again")))
print(result.scores)`;
}

function literal(value: unknown): string {
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (value === null || value === undefined) return 'None';
  return JSON.stringify(value);
}
