import { describe, expect, it } from 'vitest';
import type { LabelCosts, Shortcuts } from '../../src/api/types';
import { barsOf, outlinePath } from '../../src/lib/histogram';
import type { Part } from '../../src/lib/policy';
import { costsSaid, faintSaid, hardnessSaid, overlapSaid, shortcutSaid } from '../../src/lib/studies';
import schemas from '../fixtures/configs.json';

const parts = schemas.parts as unknown as Part[];

function audit(top1: number, levels = 20): Shortcuts {
  return {
    views: 512,
    chance: 1 / 511,
    shortcuts: [
      { feature: 'edge histogram', top1: 0.01, low: 0, high: 0.02 },
      { feature: 'colour histogram', top1, low: top1, high: top1 },
    ],
    changes: [{ part: 'blur', levels }],
  };
}

describe('what studies say', () => {
  it('warns of a shortcut by its name, and of none where chance rules', () => {
    expect(shortcutSaid(audit(0.8)).text).toContain('A mere colour histogram solves this task');
    expect(shortcutSaid(audit(0.3)).isWarning).toBe(true);
    expect(shortcutSaid(audit(0.03))).toEqual({
      text: expect.stringContaining('chance is 0.2 %') as string,
      isWarning: false,
    });
  });

  it('names operations that change nothing or hardly anything', () => {
    expect(faintSaid(audit(0, 0.01), parts)).toEqual(['Blur changes nothing in these images.']);
    expect(faintSaid(audit(0, 1.94), parts)[0]).toContain('by 1.9 of 255 levels');
    expect(faintSaid(audit(0, 8), parts)).toEqual([]);
  });

  it('warns of a cost only where its whole interval is worth it, the worst first', () => {
    const cost = (part: string, lost: number, low: number) => ({
      part,
      accuracy: 0.9 - lost,
      lost,
      low,
      high: lost + 0.05,
    });
    const costs: LabelCosts = {
      accuracy: 0.9,
      fitted: 1000,
      n: 500,
      costs: [cost('flip', 0.07, 0.03), cost('jitter', 0.03, -0.01), cost('rotation', 0.34, 0.25)],
    };
    expect(costsSaid(costs, parts)).toEqual([
      'Rotation costs the label 34 points (25 to 39).',
      'Mirror costs the label 7 points (3 to 12).',
    ]);
  });

  it('calls pairs easy or hard by how often they beat strangers', () => {
    const found = { n: 256, low: 0, pairs: [], others: [], mean_pairs: 0, mean_others: 0 };
    expect(hardnessSaid({ ...found, told_apart: 1 })).toContain('Easy');
    expect(hardnessSaid({ ...found, told_apart: 0.8 })).toContain('Hard');
    expect(hardnessSaid({ ...found, told_apart: 0.52 })).toContain('hardly recognises');
  });

  it('says what typical pairs share, and how many share nothing', () => {
    expect(overlapSaid({ draws: 256, counts: [], median: 0.4, apart: 0 })).toBe(
      'Half of all pairs share less than 40 % of what they cover together.',
    );
    expect(overlapSaid({ draws: 256, counts: [], median: 0.1, apart: 0.25 })).toContain(
      '25 % of pairs share nothing',
    );
  });
});

describe('a histogram', () => {
  it('has bars of equal width whose highest is 1', () => {
    const bars = barsOf([1, 4, 0, 2], 0, 1, 4);
    expect(bars.map(({ from, to }) => [from, to])).toEqual([
      [0, 0.25],
      [0.25, 0.5],
      [0.5, 0.75],
      [0.75, 1],
    ]);
    expect(bars.map(({ height }) => height)).toEqual([0.25, 1, 0, 0.5]);
  });

  it('is drawn as one closed outline, and empty as nothing', () => {
    expect(outlinePath(barsOf([1, 2], 0, 1, 2), 100, 10)).toBe('M0 10.00V5.00H50.00V0.00H100.00V10.00Z');
    expect(outlinePath([], 100, 10)).toBe('');
    expect(barsOf([0, 0], 0, 1, 0).map(({ height }) => height)).toEqual([0, 0]);
  });
});
