import { expect, test } from 'vitest';
import {
  columnsOf,
  isEmbedded,
  letterOf,
  moved,
  noted,
  replaced,
  withColumn,
  without,
  type Column,
} from '../../src/lib/columns';
import { withQuery } from '../../src/lib/routes';

const h = (encoder: string): Column => ({ encoder, features: 'h' });
const z = (encoder: string): Column => ({ encoder, features: 'z' });
const read = (text: string): Column[] => columnsOf(new URLSearchParams(text));

test('an address names its columns, each once and four at most, and old links name one', () => {
  expect(read('encoders=a1,b2.z')).toEqual([h('a1'), z('b2')]);
  expect(read('encoder=a1')).toEqual([h('a1')]);
  expect(read('encoder=old&encoders=new')).toEqual([h('new')]);
  expect(read('encoders=a,a,b,c,d,e')).toEqual([h('a'), h('b'), h('c'), h('d')]);
  expect(read('encoders=a,a.z')).toEqual([h('a'), z('a')]);
  expect(read('encoders=../x,b.y,')).toEqual([]);
  expect(read('')).toEqual([]);
});

test('columns that are noted are read again', () => {
  const columns = [h('a1'), z('b2')];
  const search = withQuery('?encoder=old&k=3', noted(columns));
  expect(search).toBe('?k=3&encoders=a1,b2.z');
  expect(columnsOf(new URLSearchParams(search))).toEqual(columns);
});

test('columns are moved, taken out, put in and replaced', () => {
  const columns = [h('a'), h('b'), h('c')];
  expect(moved(columns, 0, 1)).toEqual([h('b'), h('a'), h('c')]);
  expect(moved(columns, 2, -1)).toEqual([h('a'), h('c'), h('b')]);
  expect(moved(columns, 2, 1)).toEqual(columns);
  expect(without(columns, 1)).toEqual([h('a'), h('c')]);
  expect(withColumn(columns, h('b'))).toEqual(columns);
  expect(withColumn([...columns, h('d')], h('e'))).toHaveLength(4);
  expect(replaced(columns, 1, z('b'))).toEqual([h('a'), z('b'), h('c')]);
  expect(replaced(columns, 1, h('c'))).toEqual([h('a'), h('c')]);
  expect([0, 3].map(letterOf)).toEqual(['A', 'D']);
});

test('an encoder answers by what it has kept of a set', () => {
  const encoder = { embedded_dataset_ids: ['one', 'two'], projected_dataset_ids: ['two'] };
  expect(isEmbedded(encoder, 'h', 'one')).toBe(true);
  expect(isEmbedded(encoder, 'z', 'one')).toBe(false);
  expect(isEmbedded(encoder, 'z', 'two')).toBe(true);
  expect(isEmbedded(undefined, 'h', 'one')).toBe(false);
});
