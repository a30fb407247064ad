import { expect, it } from 'vitest';
import { changedFrom, commandLine, pythonCode } from '../../src/lib/reproduce';

const usual = {
  epochs: 10,
  class_weights: false,
  labels: { fraction: null, seed: 0 },
  augment: { flip_p: 0.5, hue: 0.2 },
};
const config = {
  epochs: 25,
  class_weights: true,
  labels: { fraction: 0.1, seed: 0 },
  augment: { flip_p: 0, hue: 0.2 },
};

it('tells a transfer by what is not the usual choice', () => {
  const changed = changedFrom(config, usual);
  expect(changed).toEqual({
    epochs: 25,
    class_weights: true,
    labels: { fraction: 0.1 },
    augment: { flip_p: 0 },
  });
  expect(commandLine('fine_tune', changed, "/data/it's here", 'e.safetensors').split(' \\\n    ')).toEqual([
    "simclr transfer '/data/it'\\''s here'",
    '--encoder e.safetensors',
    '--strategy fine_tune',
    '--epochs 25',
    '--class-weights',
    '--labels-fraction 0.1',
    '--augment-flip-p 0',
    '--out runs/again',
  ]);
  expect(pythonCode('fine_tune', changed, '/data', 'e.safetensors')).toContain(
    'config = FineTuneConfig(epochs=25, class_weights=True, labels=LabelsConfig(fraction=0.1), ' +
      'augment=FineTuneConfig().augment.model_copy(update=dict(flip_p=0)))',
  );
});
