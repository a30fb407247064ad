import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';
import ConfigForm from '../../src/components/ConfigForm.svelte';
import { groupsOf, initialValues, type ConfigSchema } from '../../src/lib/configForm';
import schemas from '../fixtures/configs.json';

const groups = groupsOf(schemas.pretrain as ConfigSchema);
const values = initialValues(groups);

describe('the form of a config', () => {
  it('shows the basic fields and folds the others away', () => {
    render(ConfigForm, { groups, values, problems: {}, onchange: () => undefined });
    expect(screen.getByLabelText('Epochs').closest('details')).toBeNull();
    expect(screen.getByLabelText('Projection dim').closest('details')?.open).toBe(false);
  });

  it('says at each field why one would change it and where the default comes from', () => {
    render(ConfigForm, { groups, values, problems: {}, onchange: () => undefined });
    const description = screen.getByLabelText('Temperature').getAttribute('aria-describedby') ?? '';
    const text = document.getElementById(description)?.textContent ?? '';
    expect(text).toContain('nearest negatives');
    expect(text).toContain('arXiv:2002.05709');
    expect(text).toContain('from 0.01 to 10');
  });

  it('opens a folded group that holds a problem, and says it at the field', () => {
    const problems = { 'augment.grey_p': '7 is out of range.' };
    render(ConfigForm, { groups, values, problems, onchange: () => undefined });
    const input = screen.getByLabelText('Grey');
    expect(input.closest('details')?.open).toBe(true);
    expect(input.getAttribute('aria-invalid')).toBe('true');
    expect(screen.getByText('7 is out of range.')).toBeTruthy();
  });

  it('reports what is typed, and offers the way back to the start', async () => {
    const onchange = vi.fn();
    const start = values.epochs;
    render(ConfigForm, { groups, values: { ...values, epochs: '3' }, problems: {}, onchange });
    await fireEvent.input(screen.getByLabelText('Epochs'), { target: { value: '5' } });
    expect(onchange).toHaveBeenLastCalledWith('epochs', '5');
    await fireEvent.click(screen.getByRole('button', { name: `Back to ${start} for Epochs` }));
    expect(onchange).toHaveBeenLastCalledWith('epochs', start);
  });

  it('offers the choices of a choice', () => {
    render(ConfigForm, { groups, values, problems: {}, onchange: () => undefined });
    const options = within(screen.getByLabelText('Stem')).getAllByRole('option', { hidden: true });
    expect(options.map((option) => option.textContent)).toEqual(['small', 'strided', 'imagenet']);
  });

  it('switches a switch', async () => {
    const onchange = vi.fn();
    render(ConfigForm, { groups, values, problems: {}, onchange });
    await fireEvent.click(screen.getByLabelText<HTMLInputElement>('Projection norm'));
    expect(onchange).toHaveBeenLastCalledWith('projection_norm', 'false');
  });
});
