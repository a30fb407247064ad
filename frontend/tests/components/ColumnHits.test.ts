import { expect, test, vi } from 'vitest';
import { ColumnHits } from '../../src/state/hits.svelte';
import type { Question } from '../../src/state/answers';
import { requestOf, settingsOf } from '../../src/lib/searchSettings';

const settings = settingsOf(new URLSearchParams());
const about = (encoder: string, index: number): Question => ({
  request: requestOf(settings, { encoder, features: 'h' }, 'set'),
  query: { kind: 'images', index, also: [], unlike: [] },
});

const COMING = 9;

/**
 * Stands in for the lab: answers when told to, with the index that was asked for as the only hit.
 *
 * The engine of the image COMING is being made when it is asked for the first time.
 */
function lab(): { asked: number[]; answer: (index: number) => void } {
  const asked: number[] = [];
  const waiting = new Map<number, () => void>();
  vi.stubGlobal('fetch', async (request: Request) => {
    const { image_index } = (await request.clone().json()) as { image_index: number };
    asked.push(image_index);
    await new Promise<void>((resolve, reject) => {
      waiting.set(image_index, resolve);
      request.signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
    });
    const is_coming = image_index === COMING && asked.filter((each) => each === COMING).length === 1;
    return Response.json({ hits: [{ index: image_index }], engine: { is_coming } });
  });
  return { asked, answer: (index) => waiting.get(index)?.() };
}

test('an answer that comes late is dropped, and nothing is asked twice', async () => {
  const { asked, answer } = lab();
  const hits = new ColumnHits();
  const found = (): number | undefined => hits.answer?.hits[0]?.index;
  hits.ask(about('a', 1));
  await vi.waitFor(() => expect(asked).toEqual([1]));
  hits.ask(about('a', 2));
  await vi.waitFor(() => expect(asked).toEqual([1, 2]));
  expect(hits.busy).toBe(true);
  hits.ask(about('a', 2)); // already on its way
  answer(1);
  answer(2);
  await vi.waitFor(() => expect(found()).toBe(2));
  expect(hits.busy).toBe(false);
  hits.ask(about('a', 3));
  await vi.waitFor(() => expect(asked).toEqual([1, 2, 3]));
  hits.ask(about('a', 2)); // known: shown at once, and what was on its way is given up
  expect(found()).toBe(2);
  answer(3);
  await Promise.resolve();
  expect([found(), hits.busy]).toEqual([2, false]);
  expect(asked).toEqual([1, 2, 3]);
});

test('while an engine is being made the question is asked again, until it answers', async () => {
  const { asked, answer } = lab();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const hits = new ColumnHits();
  const answered = async (times: number): Promise<void> => {
    await vi.advanceTimersByTimeAsync(3000);
    await vi.waitFor(() => expect(asked).toHaveLength(times));
    answer(COMING);
    await vi.waitFor(() => expect(hits.answer?.engine.is_coming).toBe(times === 1));
  };
  hits.ask(about('a', COMING));
  await answered(1);
  hits.ask(about('a', COMING)); // is asked again by itself
  await answered(2);
  await vi.advanceTimersByTimeAsync(9000);
  expect(asked).toEqual([COMING, COMING]);
  vi.useRealTimers();
});
