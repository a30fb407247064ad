import { describe, expect, it } from 'vitest';
import type { Configs } from '../../src/api/client';
import { fromQuery, groupsOf, toConfig } from '../../src/lib/configForm';
import { copyAddress } from '../../src/lib/copies';
import schemas from '../fixtures/configs.json';
import { job } from '../fixtures/job';

const configs = schemas as unknown as Configs;

describe('a copy of a job', () => {
  it('opens the form that spells the same pretraining', () => {
    const preset = schemas.presets.pretrain.find(({ name }) => name === 'coursework-xray');
    const address = copyAddress(job({ config: preset?.config ?? {} }), configs, null) ?? '';
    expect(address.startsWith('/train?dataset=d1&')).toBe(true);
    const groups = groupsOf(configs.pretrain);
    const values = fromQuery(groups, new URLSearchParams(address.split('?')[1]));
    expect(toConfig(groups, values)).toEqual(preset?.config);
  });

  it('opens the transfer form with the encoder, the strategy and its choices', () => {
    const config = { strategy: 'knn', k: 7 };
    expect(copyAddress(job({ kind: 'transfer', encoder_id: 'e1', config }), configs, null)).toBe(
      '/transfer?dataset=d1&encoders=e1&strategies=knn&knn.k=7',
    );
  });

  it('opens it as a grid of one, with the depth, the labels and the seed on their axes', () => {
    const config = {
      strategy: 'fine_tune',
      unfrozen_blocks: 2,
      seed: 3,
      labels: { fraction: 0.1, shots: null, seed: 3 },
    };
    expect(copyAddress(job({ kind: 'transfer', encoder_id: 'e1', config }), configs, null)).toBe(
      '/transfer?dataset=d1&encoders=e1&strategies=fine_tune&depths=2&labels=0.1&seeds=3',
    );
    const scratch = { strategy: 'fine_tune', start: 'scratch' };
    expect(
      copyAddress(job({ kind: 'transfer', encoder_id: 'e1', config: scratch }), configs, null),
    ).toContain('strategies=none&scratch=1');
  });

  it('is as pressing as the first, and stays on its device', () => {
    const first = job({ config: {}, priority: 1, pinned_to: 'cuda:1' });
    expect(copyAddress(first, configs, null)).toContain('?dataset=d1&priority=high&device=cuda%3A1');
  });

  it('is not offered for an embedding, which has no choices', () => {
    expect(copyAddress(job({ kind: 'embed', config: {} }), configs, null)).toBeNull();
  });
});
