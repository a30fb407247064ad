/** Tiles of one choice of a set's images, fetched as the grid wants them and kept while there is room. */
import { SvelteMap } from 'svelte/reactivity';
import { readTile, type Choice } from '../api/datasets';
import { shown, type ApiError } from '../api/errors';
import { parseTile, spriteSize, toRgba, type Tile } from '../lib/tiles';

const AT_ONCE = 4;
const KEPT_BYTES = 64 * 2 ** 20;

export interface Sprite {
  tile: Tile;
  picture: OffscreenCanvas;
}

export class Sprites {
  error = $state.raw<ApiError | null>(null);
  readonly #there = new SvelteMap<number, Sprite>();
  #coming: number[] = [];
  readonly #ended = new AbortController();
  #wanted: readonly number[] = [];

  constructor(
    readonly datasetId: string,
    readonly choice: Choice,
  ) {}

  /** A tile's sprite once it is there; whoever reads it in an effect hears of it then. */
  get(tile: number): Sprite | undefined {
    return this.#there.get(tile);
  }

  /** What the grid shows now, the most urgent first; what it wanted before and has not got is forgotten. */
  want(tiles: readonly number[]): void {
    this.#wanted = tiles;
    this.#fetch();
  }

  /** Tries again after an error. */
  retry(): void {
    this.error = null;
    this.#fetch();
  }

  end(): void {
    this.#ended.abort();
  }

  #fetch(): void {
    if (this.error || this.#ended.signal.aborted) return;
    for (const tile of this.#wanted) {
      if (this.#coming.length >= AT_ONCE) return;
      if (!this.#there.has(tile) && !this.#coming.includes(tile)) void this.#load(tile);
    }
  }

  async #load(number: number): Promise<void> {
    this.#coming.push(number);
    try {
      const tile = parseTile(await readTile(this.datasetId, number, this.choice, this.#ended.signal));
      if (!this.#ended.signal.aborted) this.#keep(number, { tile, picture: drawn(tile) });
    } catch (thrown) {
      if (!this.#ended.signal.aborted) this.error = shown(thrown);
    } finally {
      this.#coming = this.#coming.filter((tile) => tile !== number);
    }
    this.#fetch();
  }

  /** Those that came first go first, but never one that is wanted. */
  #keep(number: number, sprite: Sprite): void {
    this.#there.set(number, sprite);
    const most = Math.max(8, Math.floor(KEPT_BYTES / (sprite.picture.width * sprite.picture.height * 4)));
    for (const old of this.#there.keys()) {
      if (this.#there.size <= most) break;
      if (!this.#wanted.includes(old)) this.#there.delete(old);
    }
  }
}

function drawn(tile: Tile): OffscreenCanvas {
  const { width, height } = spriteSize(tile);
  const picture = new OffscreenCanvas(width, height);
  picture.getContext('2d')?.putImageData(new ImageData(toRgba(tile), width, height), 0, 0);
  return picture;
}
