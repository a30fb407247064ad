import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ResultOut } from '../../src/api/types';
import Dashboards from '../../src/components/Dashboards.svelte';
import { rowOf } from '../../src/lib/measured';
import { metricNamed } from '../../src/lib/metrics';
import { location } from '../../src/state/location.svelte';
import { result } from '../fixtures/result';
import { scoreOf } from '../fixtures/score';
import { chartsAreWide } from '../fixtures/width';

function tuned(
  id: string,
  accuracy: number,
  config: Record<string, unknown>,
  changes: Partial<ResultOut>,
): ResultOut {
  const scores = [scoreOf('test', 100, accuracy, accuracy - 0.05, accuracy + 0.05)];
  return result({
    id,
    strategy: 'fine_tune',
    config: { strategy: 'fine_tune', ...config },
    scores,
    ...changes,
  });
}

/** Two depths with all labels, one of them under two seeds, and the whole encoder with fewer. */
const ROWS = [
  tuned('head0', 0.6, { unfrozen_blocks: 0, seed: 0 }, { seconds: 60 }),
  tuned('head1', 0.62, { unfrozen_blocks: 0, seed: 1 }, { seconds: 60 }),
  tuned('whole', 0.9, {}, { seconds: 600 }),
  tuned('fewer', 0.7, { labels: { fraction: 0.1 } }, { seconds: 30, labels_used: 10 }),
].map(rowOf);

beforeEach(() => {
  chartsAreWide();
  location.go('/results');
  render(Dashboards, { rows: ROWS, yardstick: { metric: metricNamed('accuracy'), split: 'test' } });
});
afterEach(() => vi.unstubAllGlobals());

/** Where the marks of a chart stand, in pixels from its corner, as their paths begin. */
async function marksOf(
  title: string,
): Promise<{ chart: Element; at: { clientX: number; clientY: number }[] }> {
  const chart = await screen.findByRole('group', { name: title });
  const paths = [...chart.querySelectorAll('path.mark')].map((path) => path.getAttribute('d') ?? '');
  // A circle begins anew for each mark; the last one is the legend's.
  const places = paths.flatMap((path) => [...path.matchAll(/M([\d.]+) ([\d.]+)/g)]);
  return { chart, at: places.slice(0, -1).map(([, x, y]) => ({ clientX: Number(x), clientY: Number(y) })) };
}

describe('charts of results', () => {
  it('open the first seed by a bar and any seed by its dot', async () => {
    const bars = await screen.findByRole('group', { name: 'Test accuracy by strategy and encoder' });
    const led = [];
    for (const link of within(bars).getAllByRole('link')) {
      await fireEvent.click(link);
      led.push(location.path);
    }
    expect(led).toEqual(['whole', 'fewer', 'head0', 'head0', 'head1'].map((id) => `/results/${id}`));
  });

  it.each([
    ['depth of fine-tuning', ['head0', 'whole']],
    ['number of labels', ['fewer', 'whole']],
    ['what it took', ['fewer', 'head0', 'whole']],
  ])('open the result of every mark by %s, and say beforehand what it is', async (by, ids) => {
    const { chart, at } = await marksOf(`Test accuracy by ${by}`);
    const led = [];
    for (const place of at) {
      await fireEvent.pointerMove(chart, place);
      const tip = chart.parentElement?.querySelector('.tip')?.textContent ?? '';
      expect(tip).toMatch(/Beetles, 20 epochs.*Fine-tuning.*Accuracy \d+ %.*n = 100/);
      await fireEvent.click(chart, place);
      led.push(location.path);
    }
    expect(led).toEqual(ids.map((id) => `/results/${id}`));
  });
});
