import { describe, expect, it } from 'vitest';
import type { Hubs, Retrieval } from '../../src/api/retrieval';
import { hubsSaid, precisionRows, recallRows, retrievalSaid } from '../../src/lib/retrieval';

const found: Retrieval = {
  queries: 'test',
  gallery: 'train',
  n: 1000,
  queries_of: 10_000,
  gallery_n: 50_000,
  at: [
    {
      k: 1,
      precision: { value: 0.412, low: 0.39, high: 0.434 },
      recall: { value: 0.412, low: 0.39, high: 0.434 },
    },
  ],
  mean_average_precision: { value: 0.2, low: null, high: null },
  chance: 0.1,
  per_class: [],
};
const hubs: Hubs = {
  k: 10,
  n: 5000,
  of: 5000,
  skewness: 4.2,
  hubs: [{ index: 7, occurrences: 321 }],
  orphans: 1000,
  orphan_examples: [],
};

describe('what is said of neighbours on a whole set', () => {
  it('writes each share with the digits and the interval that it has', () => {
    const [precision, map] = precisionRows(found);
    expect(precision).toMatchObject({ name: 'precision@1', low: 0.39, said: '41 % (39–43)' });
    expect(map).toMatchObject({ name: 'mean average precision', low: 0.2, high: 0.2 });
    expect(recallRows(found)).toMatchObject([{ name: 'recall@1', high: 0.434, said: '41 % (39–43)' }]);
  });

  it('says who was asked among whom, and that they are a sample', () => {
    expect(retrievalSaid(found)).toBe(
      '1,000 images of test, drawn of 10,000 among 50,000 images of train; neighbours drawn at random: 10 %.',
    );
    expect(retrievalSaid({ ...found, queries_of: 1000, gallery: 'test' })).toContain(
      '1,000 images of test among',
    );
    expect(retrievalSaid({ ...found, gallery: 'test' })).toContain('of the others');
  });

  it('tells mild hubs from a space that few images dominate', () => {
    expect(hubsSaid(hubs)).toBe(
      "A few hubs crowd out the others: the greatest hub is among the 10 nearest of 321 images, where 10 is the mean. Of 5,000 images, 20 % are nobody's neighbour.",
    );
    expect(hubsSaid({ ...hubs, skewness: 1.5 })).toContain('Some images are found more than others');
    expect(hubsSaid({ ...hubs, skewness: 0.1, of: 9000 })).toMatch(
      /^Images are found about alike.*drawn of 9,000/,
    );
  });
});
