/** An archive dropped anywhere or chosen on another page, on its way to the import form. */

class Dropped {
  archive = $state.raw<File | null>(null);

  /** Hands the archive over, once. */
  take(): File | null {
    const file = this.archive;
    this.archive = null;
    return file;
  }
}

export const dropped = new Dropped();
