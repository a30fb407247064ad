import { expect, test } from 'vitest';
import type { EncoderOut } from '../../src/api/types';
import { ColumnEncoders } from '../../src/state/columnEncoders.svelte';
import { encoders } from '../../src/state/shelf.svelte';
import { FakeLab } from '../fixtures/lab';

const named = (id: string): EncoderOut => ({ id, job_id: null, run_id: null }) as unknown as EncoderOut;

test('an encoder that no list shows is asked for, and one that is deleted meanwhile is known to be gone', async () => {
  const lab = new FakeLab();
  lab.answers['GET /api/encoders'] = { items: [named('01a')] };
  lab.answers['GET /api/encoders/01b'] = named('01b');
  await encoders.reload();
  const known = new ColumnEncoders();
  await known.want(['01a', '01b']);
  expect([known.find('01a')?.id, known.find('01b')?.id, known.find('01c')]).toEqual([
    '01a',
    '01b',
    undefined,
  ]);
  lab.answers['GET /api/encoders'] = { items: [] };
  for (const id of ['01a', '01b'])
    lab.refuse(`GET /api/encoders/${id}`, 404, { code: 'unknown_encoder', message: `There is no ${id}.` });
  await known.reload();
  await known.want(['01a', '01b']); // as the page does when the list has changed
  expect([known.find('01a'), known.find('01b')]).toEqual([null, null]);
});
