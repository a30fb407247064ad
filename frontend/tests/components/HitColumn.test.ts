import { render, screen } from '@testing-library/svelte';
import { expect, test } from 'vitest';
import { ApiError } from '../../src/api/errors';
import type { DatasetOut, EncoderOut } from '../../src/api/types';
import HitColumn from '../../src/components/HitColumn.svelte';
import { ColumnHits } from '../../src/state/hits.svelte';

const set = { id: '01d', name: 'Patterns', n: 100, classes: [] } as unknown as DatasetOut;
const encoder = {
  id: '01e',
  name: 'SimCLR',
  origin: 'pretrained',
  embedded_dataset_ids: ['01d'],
} as unknown as EncoderOut;

test.each(['embeddings_damaged', 'embeddings_deleted', 'no_lengths'])(
  'what embedding again puts right, such as %s, has its button beside what is said of it',
  (code) => {
    const hits = new ColumnHits();
    hits.error = new ApiError(410, code, 'They cannot be read.');
    render(HitColumn, {
      set,
      place: 0,
      of: 1,
      column: { encoder: encoder.id, features: 'h' },
      encoder,
      isReady: true,
      states: [],
      hits,
      isPreparing: false,
      shared: new Map(),
      reference: null,
      questionTo: () => null,
      k: 12,
      label: null,
      className: null,
      own: null,
      pointed: null,
      taken: [],
      onpoint: () => undefined,
      onchoose: () => undefined,
      onchange: null,
      onwhy: () => undefined,
      onencoder: () => undefined,
      onbeside: null,
      onfeatures: () => undefined,
      onmove: () => undefined,
      onremove: () => undefined,
    });
    expect(screen.getByRole('alert').textContent).toContain('They cannot be read.');
    expect(screen.getByRole('button', { name: 'Embed' })).toBeTruthy();
  },
);
