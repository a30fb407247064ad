import { expect, it } from 'vitest';
import { narrowedText, reportOf } from '../../src/lib/handIn';
import { rowOf } from '../../src/lib/measured';
import { methodsText } from '../../src/lib/methodsText';
import { metricNamed } from '../../src/lib/metrics';
import { reportPage } from '../../src/lib/reportPage';
import { viewOf } from '../../src/lib/resultView';
import { dataset } from '../fixtures/dataset';
import { result } from '../fixtures/result';

const yardstick = { metric: metricNamed(null), split: 'test' as const };
const rows = [
  rowOf(result({ encoder_name: '<script>alert(1)</script> & "co"', config: { strategy: 'knn', k: 7 } })),
  rowOf(
    result({
      id: 'r2',
      strategy: 'fine_tune',
      config: { strategy: 'fine_tune', seed: 1, unfrozen_blocks: 2, epochs: 25 },
    }),
  ),
];

it('is one file that asks nobody for anything, and takes no name for markup', () => {
  const drawing = '<svg xmlns="http://www.w3.org/2000/svg"></svg>';
  const table = { head: ['a'], rows: [[1]] };
  const figures = [{ title: 'Bars <b>', note: 'Note', drawing, table }];
  const report = reportOf({
    rows,
    yardstick,
    sets: [],
    version: '1',
    figures,
    at: new Date(0),
    narrowed: 'tag',
  });
  const page = reportPage(report);
  expect(page).not.toMatch(/<script|<link|<img|\bsrc=|\bhref=|url\(|@import/);
  expect(page.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:/);
  expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;co&quot;');
  expect(page).toContain('Made on 1970-01-01 00:00 UTC. 2 results, narrowed to tag.');
  expect(page).toContain(drawing);
});

it('says in its methods what was measured, how it was chosen and what the intervals are', () => {
  const text = methodsText(rows, yardstick, [dataset({ id: '01gone', name: 'Beetles' })], '1.2').join(' ');
  for (const said of [
    'Beetles (',
    'nearest in cosine similarity of frozen features',
    'vote of the 7 training images',
    'last 2 stages trained with AdamW for 25 epochs',
    'chosen on the validation split; the test split was read once',
    'Every training label was used.',
    "Student's 95 % interval over seeds",
    'SimCLR Lab 1.2',
  ])
    expect(text).toContain(said);
});

it('says in words what it was narrowed to', () => {
  const view = viewOf(new URLSearchParams('dataset=01gone&strategies=knn,scratch&tag=x&q=two+words&grid=g'));
  expect(narrowedText(view, rows, 'Depths')).toBe(
    'Beetles; the grid Depths; k-NN and From scratch; the tag x; what says "two words"',
  );
  expect(narrowedText(viewOf(new URLSearchParams('metric=auc&page=2')), rows, null)).toBe('');
});
