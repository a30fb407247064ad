import { describe, expect, it } from 'vitest';
import type { ResultOut, Score, Strategy } from '../../src/api/types';
import { axisTop, byStrategy, leading, overlap } from '../../src/lib/scores';
import { scoreOf } from '../fixtures/score';

function score(split: Score['split'], accuracy: number): Score {
  return scoreOf(split, 500, accuracy, accuracy - 0.04, accuracy + 0.04);
}
function result(strategy: Strategy, scores: Score[]): ResultOut {
  return { strategy, scores, chance: 0.1 } as ResultOut;
}

describe('results', () => {
  it('are ranked by the test split, and by validation where nothing was tested', () => {
    expect(leading(result('knn', [score('val', 0.9), score('test', 0.5)]))?.accuracy).toBe(0.5);
    expect(leading(result('knn', [score('val', 0.9)]))?.accuracy).toBe(0.9);
  });

  it('stand by strategy in the fixed order, best first', () => {
    const groups = byStrategy([
      result('linear_probe', [score('test', 0.3)]),
      result('knn', [score('test', 0.2)]),
      result('linear_probe', [score('test', 0.6)]),
    ]);
    expect(groups.map(({ strategy }) => strategy)).toEqual(['knn', 'linear_probe']);
    expect(groups[1]?.results.map((each) => leading(each)?.accuracy)).toEqual([0.6, 0.3]);
  });

  it('are told apart only when their intervals are', () => {
    expect(overlap(score('test', 0.5), score('test', 0.55))).toBe(true);
    expect(overlap(score('test', 0.5), score('test', 0.6))).toBe(false);
  });

  it('share an axis from zero that holds every interval', () => {
    expect(axisTop([result('knn', [score('test', 0.2)]), result('knn', [score('test', 0.45)])])).toBe(0.5);
    expect(axisTop([result('knn', [score('test', 0.99)])])).toBe(1);
  });
});
