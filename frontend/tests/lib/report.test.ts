import { describe, expect, it } from 'vitest';
import {
  balanceSentence,
  howAlike,
  leakSentence,
  leaksOf,
  sizesSentence,
  twinSentence,
} from '../../src/lib/report';
import { report } from '../fixtures/report';

describe('the sentences of a report', () => {
  it('name every leak that holds an image', () => {
    const leaks = leaksOf(report());
    expect(leaks.map(leakSentence)).toEqual(['3 test images also stand in train']);
    expect(leaks.map(howAlike)).toEqual(['2 with the same pixels, 1 nearly']);
    const one = leaks.map((leak) => ({ ...leak, exact: 1, near: 0, of: 'val' as const }));
    expect(one.map(leakSentence)).toEqual(['1 validation image also stands in train']);
    const nearly = leaks.map((leak) => ({ ...leak, exact: 0, near: 2 }));
    expect(nearly.map(leakSentence)).toEqual(['2 test images may also stand in train']);
  });

  it('tell how even classes are', () => {
    expect(balanceSentence(report(), 'test')).toBe('Even: 10 images of every class.');
    expect(balanceSentence(report(), 'train')).toBe(
      'The largest class has 3.0 times the images of the smallest (30 and 10): as uncertain as 1.8 even classes.',
    );
    expect(balanceSentence(report(), 'val')).toBeNull();
    const lacking = report({
      counts: { train: [30, 0] },
      balance: { train: { largest: 30, smallest: 0, ratio: null, effective_classes: 1 } },
    });
    expect(balanceSentence(lacking, 'train')).toBe(
      '1 class has no labelled train image; the largest has 30.',
    );
  });

  it('tell the sizes of the originals, the most common first', () => {
    expect(sizesSentence(report())).toBe(
      'Stored as 32 × 32 px; the originals were 64 × 48 px (58), 32 × 32 px (2).',
    );
    expect(sizesSentence(report(), 1)).toContain('64 × 48 px (58), 1 other size.');
    expect(sizesSentence(report({ sizes: [] }))).toBe('All 32 × 32 px.');
  });

  it('tell what twins are', () => {
    const sentences = report().duplicates.within.map((twin) => twinSentence(twin, 'train'));
    expect(sentences).toEqual(['Image 7 is nearly the same as image 3, under another class (train)']);
  });
});
