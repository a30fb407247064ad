/** The picture that a search sends: a person's photo, the part of a picture, or a view drawn again from its address. */
import * as api from '../api/client';
import { originalUrl, readAbout } from '../api/datasets';
import { isAbort, shown, type ApiError } from '../api/errors';
import type { AboutImage, AugmentConfig, DatasetOut } from '../api/types';
import { fromQuery, groupsOf, problemsIn, toConfig } from '../lib/configForm';
import { middle, within, type Box, type Size } from '../lib/cropBox';
import { cut, loaded, unpacked } from '../lib/pictures';
import type { SearchQuery, SentQuery, ViewQuery } from '../lib/searchQuery';
import { configs } from './configs.svelte';

/** A picture out of which parts are cut, as large as it is kept. */
export interface Source extends Size {
  url: string;
}

/** What is sent, where it can be looked at, out of which picture it was cut, and the image of the set it was made of. */
interface Made {
  sent: Blob;
  url: string;
  source: Source | null;
  about: AboutImage | null;
}

/** As many views as the Views page asks for: the same number gives the same view. */
const PAIR = 2;
const MOST = 32;

export class QueryPicture {
  made = $state.raw<Made | null>(null);
  busy = $state(false);
  error = $state.raw<ApiError | null>(null);
  #photo: { file: Blob; url: string } | null = null;

  /** Makes it; returns how to give up. */
  make(set: DatasetOut, query: SearchQuery | null, photo: Blob | null): () => void {
    const request = new AbortController();
    const needs = query !== null && query.kind !== 'images' && (query.index !== null || photo !== null);
    [this.error, this.busy] = [null, needs];
    if (needs) void this.#attempt(set, query, photo, request.signal);
    else this.#take(null);
    return () => request.abort();
  }

  /** Lets go of what was made. */
  end(): void {
    this.#take(null);
    if (this.#photo) URL.revokeObjectURL(this.#photo.url);
    this.#photo = null;
  }

  /** The part that a person starts from, of an image or of their photo. */
  async start(set: DatasetOut, index: number | null, photo: Blob | null): Promise<Box | null> {
    if (index === null && photo === null) return null;
    try {
      const { signal } = new AbortController();
      const { source } = await this.#opened(set, index, photo, signal);
      return middle(source);
    } catch (thrown) {
      this.error = shown(thrown);
      return null;
    }
  }

  #take(made: Made | null): void {
    if (this.made) URL.revokeObjectURL(this.made.url);
    this.made = made;
  }

  async #attempt(set: DatasetOut, query: SentQuery, photo: Blob | null, signal: AbortSignal): Promise<void> {
    try {
      const { sent, source, about } = await this.#make(set, query, photo, signal);
      if (signal.aborted) return;
      this.#take({ sent, url: URL.createObjectURL(sent), source, about });
    } catch (thrown) {
      if (isAbort(thrown) || signal.aborted) return;
      this.#take(null);
      this.error = shown(thrown);
    }
    this.busy = false;
  }

  async #make(
    set: DatasetOut,
    query: SentQuery,
    photo: Blob | null,
    signal: AbortSignal,
  ): Promise<Omit<Made, 'url'>> {
    if (query.view) {
      const about = query.index === null ? null : await readAbout(set.id, query.index, {}, signal);
      return { sent: await drawn(set, query.index, photo, query.view, signal), source: null, about };
    }
    if (!query.box) return { sent: photo as Blob, source: null, about: null };
    const { image, source, about } = await this.#opened(set, query.index, photo, signal);
    return { sent: await cut(image, within(query.box, source)), source, about };
  }

  async #opened(
    set: DatasetOut,
    index: number | null,
    photo: Blob | null,
    signal: AbortSignal,
  ): Promise<{ image: HTMLImageElement; source: Source; about: AboutImage | null }> {
    const about = index === null ? null : await readAbout(set.id, index, {}, signal);
    const url = about ? pictureUrl(set, about) : this.#photoUrl(photo as Blob);
    const image = await loaded(url);
    return { image, source: { url, width: image.naturalWidth, height: image.naturalHeight }, about };
  }

  /** The same address while the photo is the same, so that it does not flicker while a part is dragged. */
  #photoUrl(file: Blob): string {
    if (this.#photo?.file !== file) {
      if (this.#photo) URL.revokeObjectURL(this.#photo.url);
      this.#photo = { file, url: URL.createObjectURL(file) };
    }
    return this.#photo.url;
  }
}

/** The larger original of an image where one is kept, else the image itself. */
function pictureUrl(set: DatasetOut, about: AboutImage): string {
  return about.has_original ? originalUrl(set.id, about.index) : api.imageUrl(set.id, about.index);
}

async function drawn(
  set: DatasetOut,
  index: number | null,
  photo: Blob | null,
  view: ViewQuery,
  signal: AbortSignal,
): Promise<Blob> {
  const own = index === null && photo ? await api.takePhoto(set.id, photo, signal) : null;
  const asked = {
    dataset_id: set.id,
    indices: index === null ? [] : [index],
    photo: own === null ? null : own.slice(own.indexOf(',') + 1),
    config: await policyOf(view),
    seed: view.seed,
    tab: '',
    views: view.number < PAIR ? PAIR : MOST,
    alone: [],
  };
  const { images } = await api.previewViews(asked, signal);
  const picture = images[0]?.views[view.number]?.picture;
  if (!picture) throw new Error(`There is no view ${view.number + 1}: an image has at most ${MOST}.`);
  return unpacked(picture);
}

async function policyOf({ policy }: ViewQuery): Promise<AugmentConfig> {
  const groups = groupsOf((await configs()).augment);
  const values = fromQuery(groups, new URLSearchParams(policy));
  const [problem] = Object.entries(problemsIn(groups, values));
  if (problem) throw new Error(`The view of this link cannot be drawn: ${problem[0]}: ${problem[1]}`);
  return toConfig(groups, values) as unknown as AugmentConfig;
}
