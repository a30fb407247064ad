import { describe, expect, it } from 'vitest';
import { csvOf, fileNameOf } from '../../src/lib/csv';

describe('a table as CSV', () => {
  it('quotes commas, quotes and breaks, and leaves what is not known empty', () => {
    const text = csvOf({
      head: ['a', 'b,c'],
      rows: [
        ['say "hi"', null],
        ['two\nlines', -0.5],
      ],
    });
    expect(text).toBe('\ufeffa,"b,c"\r\n"say ""hi""",\r\n"two\nlines",-0.5\r\n');
  });

  it.each(['=1+1', '+cmd', '-2', '@x'])('hands no formula to a spreadsheet: %s', (name) => {
    expect(csvOf({ head: ['name'], rows: [[name]] })).toContain(`\r\n'${name}\r\n`);
  });
});

it('makes a file name of any title', () => {
  expect(fileNameOf('Test ROC-AUC, naïve / “best”')).toBe('test-roc-auc-naive-best');
  expect(fileNameOf('細胞')).toBe('chart');
});
