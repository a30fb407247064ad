import { describe, expect, it } from 'vitest';
import type { DatasetOut } from '../../src/api/types';
import {
  archiveFormat,
  chanceShare,
  factorText,
  handful,
  matching,
  nameFromFile,
  sample,
  splitText,
  spread,
  stayingText,
  unlabelled,
} from '../../src/lib/sets';

const set = {
  n: 11,
  split_sizes: { train: 8, val: 1, test: 2 },
  counts: { train: [4, 2], val: [1, 0], test: [1, 1] },
} as unknown as DatasetOut;

describe('images by split and class', () => {
  it.each([
    [null, null, 11],
    ['train', null, 8],
    [null, 1, 3],
    ['train', 0, 4],
    ['train', -1, 2],
    [null, -1, 2],
    ['test', 7, 0],
  ] as const)('in %s and %s are %i', (split, classIndex, n) => {
    expect(matching(set, split, classIndex)).toBe(n);
  });

  it('have factors with no more digits than one needs', () => {
    expect([3, 0.123456, -12.5].map(factorText)).toEqual(['3', '0.123', '-12.5']);
  });
});

describe('a handful of images', () => {
  it('keeps what is chosen in sight, wherever it was chosen, and is as large as what was drawn', () => {
    expect(handful([4, 7, 2, 9], [])).toEqual([4, 7, 2, 9]);
    expect(handful([4, 7, 2, 9], [9, 30])).toEqual([30, 4, 7, 9]);
    expect(handful([4], [5, 6])).toEqual([5, 6]);
  });
});

describe('a split on a card', () => {
  it('tells how many have a label only where some have none', () => {
    expect(splitText(set, 'train')).toBe('train 8 (6 labelled)');
    expect(splitText(set, 'val')).toBe('validation 1');
    expect(splitText({ ...set, counts: {} }, 'train')).toBe('train 8');
  });
});

describe('what stays when images are deleted', () => {
  it.each([
    [{ encoders: [], results: 0, embeddings: 0, jobs: 0 }, ''],
    [{ encoders: [], results: 1, embeddings: 0, jobs: 0 }, '1 result'],
    [
      { encoders: [{ id: '1', name: 'e' }], results: 6, embeddings: 0, jobs: 9 },
      '1 encoder, 6 results and 9 ended jobs',
    ],
  ])('is told as a person would', (uses, text) => {
    expect(stayingText({ unfinished: [], bytes: 0, shares_images: false, ...uses })).toBe(text);
  });
});

describe('facts of an image set', () => {
  it('counts the images without a label', () => {
    expect(unlabelled(set, 'train')).toBe(2);
    expect(unlabelled(set, 'test')).toBe(0);
  });

  it('takes the query itself out of what chance would find', () => {
    expect(chanceShare(set, 0)).toBe(0.5); // 5 others of its class among 10 other images
  });

  it('spreads a first look over the whole set', () => {
    expect(spread(100, 4)).toEqual([12, 37, 62, 87]);
    expect(spread(2, 8)).toEqual([0, 1]);
  });

  it('draws the same different images for the same seed', () => {
    expect(sample(1000, 20, 7)).toEqual(sample(1000, 20, 7));
    expect(sample(1000, 20, 8)).not.toEqual(sample(1000, 20, 7));
    expect(new Set(sample(25, 20, 7)).size).toBe(20);
    expect(sample(3, 20, 7).sort()).toEqual([0, 1, 2]);
  });

  it('knows an archive by its name', () => {
    expect(archiveFormat('Birds.ZIP')).toBe('zip');
    expect(archiveFormat('bird.png')).toBeNull();
    expect(['a.tar', 'a.tar.gz', 'a.tgz', 'A.TAR.XZ'].map(archiveFormat)).toEqual(Array(4).fill('tar'));
    expect(archiveFormat('notes.gz')).toBeNull();
    expect(nameFromFile('Birds v2.zip')).toBe('Birds v2');
    expect(nameFromFile('Birds v2.tar.gz')).toBe('Birds v2');
  });
});
