/** A person's own picture on the Views page. It stays in this browser; the lab is sent it and keeps nothing. */

class Photo {
  /** The picture as it was dropped, pasted or taken. */
  file = $state.raw<Blob | null>(null);
  name = $state('');

  take(file: Blob, name: string): void {
    this.file = file;
    this.name = name;
  }

  drop(): void {
    this.file = null;
    this.name = '';
  }
}

export const photo = new Photo();
