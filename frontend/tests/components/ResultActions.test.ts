import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import ResultActions from '../../src/components/ResultActions.svelte';
import { rowOf } from '../../src/lib/measured';
import { FakeLab } from '../fixtures/lab';
import { result } from '../fixtures/result';

let lab: FakeLab;
let changes = 0;
let cleared = 0;
beforeEach(() => {
  lab = new FakeLab();
  [changes, cleared] = [0, 0];
  for (const id of ['a', 'b']) lab.answers[`PATCH /api/results/${id}`] = result({ id });
});

function choose(...ids: string[]): void {
  const rows = ids.map((id) => rowOf(result({ id, tags: ['draft'], dataset_id: id })));
  const onchanged = async () => void (changes += 1);
  render(ResultActions, { rows, onchanged, onclear: () => (cleared += 1) });
}

describe('what is done with chosen results', () => {
  it('pins all, and gives and takes a tag without losing others', async () => {
    choose('a', 'b');
    await fireEvent.click(screen.getByRole('button', { name: 'Pin' }));
    await waitFor(() => expect(changes).toBe(1));
    await fireEvent.input(screen.getByLabelText('Tag'), { target: { value: ' paper ' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Add' }));
    await waitFor(() => expect(changes).toBe(2));
    await fireEvent.click(screen.getByRole('button', { name: 'Take tag draft away' }));
    await waitFor(() => expect(changes).toBe(3));
    const sent = [{ pinned: true }, { tags: ['draft', 'paper'] }, { tags: [] }];
    for (const id of ['a', 'b']) expect(lab.sent(`PATCH /api/results/${id}`)).toEqual(sent);
  });

  it('names one, and offers no name for two', async () => {
    choose('a');
    await fireEvent.change(screen.getByLabelText('Name'), { target: { value: ' Best so far ' } });
    await waitFor(() => expect(lab.sent('PATCH /api/results/a')).toEqual([{ name: 'Best so far' }]));
    choose('a', 'b');
    expect(screen.getAllByLabelText('Name')).toHaveLength(1);
  });

  it('asks before it deletes, and says why one stays', async () => {
    choose('a');
    lab.refuse('DELETE /api/results/a', 409, { code: 'pinned', message: 'It is pinned: unpin it first.' });
    await fireEvent.click(screen.getByRole('button', { name: 'Delete …' }));
    expect(lab.sent('DELETE /api/results/a')).toEqual([]);
    await fireEvent.click(screen.getByRole('button', { name: 'Delete 1 result' }));
    expect(await screen.findAllByText('It is pinned: unpin it first.')).not.toHaveLength(0);
    expect(cleared).toBe(0);
    lab.answers['DELETE /api/results/a'] = new Response(null, { status: 204 });
    await fireEvent.click(await screen.findByRole('button', { name: 'Delete 1 result' }));
    await waitFor(() => expect(cleared).toBe(1));
  });
});
