/** Finds points of a map by place: the nearest to a pointer, and those inside an outline. */

const PER_CELL = 4;

export type Outline = readonly (readonly [number, number])[];

/** Points sorted into equal cells, so that a pointer's neighbourhood holds few of any number. */
export class PointGrid {
  readonly #points: Float32Array;
  readonly #columns: number;
  readonly #rows: number;
  readonly #cell: number;
  readonly #left: number;
  readonly #low: number;
  readonly #starts: Uint32Array;
  /** All points, cell by cell, row by row: those of cell c from `#starts[c]` to `#starts[c + 1]`. */
  readonly order: Uint32Array;

  /** `points` are x and y in turn. */
  constructor(points: Float32Array) {
    this.#points = points;
    const n = points.length / 2;
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < n; i += 1) {
      left = Math.min(left, points[2 * i] ?? 0);
      right = Math.max(right, points[2 * i] ?? 0);
      low = Math.min(low, points[2 * i + 1] ?? 0);
      high = Math.max(high, points[2 * i + 1] ?? 0);
    }
    const [width, height] = n > 0 ? [right - left, high - low] : [0, 0];
    const longer = Math.max(width, height, 1e-9);
    this.#cell = Math.max(
      Math.sqrt(
        (Math.max(width, 1e-3 * longer) * Math.max(height, 1e-3 * longer) * PER_CELL) / Math.max(n, 1),
      ),
      1e-9,
    );
    [this.#left, this.#low] = n > 0 ? [left, low] : [0, 0];
    this.#columns = Math.floor(width / this.#cell) + 1;
    this.#rows = Math.floor(height / this.#cell) + 1;
    this.#starts = new Uint32Array(this.#columns * this.#rows + 1);
    this.order = new Uint32Array(n);
    const cells = new Uint32Array(n);
    for (let i = 0; i < n; i += 1) {
      const cell = this.#row(points[2 * i + 1] ?? 0) * this.#columns + this.#column(points[2 * i] ?? 0);
      cells[i] = cell;
      this.#starts[cell + 1] = (this.#starts[cell + 1] ?? 0) + 1;
    }
    for (let c = 1; c < this.#starts.length; c += 1)
      this.#starts[c] = (this.#starts[c] ?? 0) + (this.#starts[c - 1] ?? 0);
    const next = this.#starts.slice();
    for (let i = 0; i < n; i += 1) {
      const cell = cells[i] ?? 0;
      this.order[next[cell] ?? 0] = i;
      next[cell] = (next[cell] ?? 0) + 1;
    }
  }

  /** The point nearest to a place and not further than `reach`; -1 where there is none. */
  nearest(x: number, y: number, reach: number): number {
    let [found, least] = [-1, reach * reach];
    this.#visit(x - reach, x + reach, y - reach, y + reach, (i, px, py) => {
      const apart = (px - x) ** 2 + (py - y) ** 2;
      if (apart < least || (apart === least && found < 0)) [found, least] = [i, apart];
    });
    return found;
  }

  /** Points inside an outline, by number; one that crosses itself counts by the even-odd rule. */
  inside(outline: Outline): number[] {
    if (outline.length < 3) return [];
    const [xs, ys] = [outline.map(([x]) => x), outline.map(([, y]) => y)];
    const found: number[] = [];
    this.#visit(Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys), (i, x, y) => {
      if (isInside(outline, x, y)) found.push(i);
    });
    return found.sort((a, b) => a - b);
  }

  #visit(
    left: number,
    right: number,
    low: number,
    high: number,
    tell: (i: number, x: number, y: number) => void,
  ): void {
    const [firstColumn, lastColumn] = [this.#column(left), this.#column(right)];
    for (let row = this.#row(low); row <= this.#row(high); row += 1) {
      const first = this.#starts[row * this.#columns + firstColumn] ?? 0;
      const end = this.#starts[row * this.#columns + lastColumn + 1] ?? 0;
      for (let at = first; at < end; at += 1) {
        const i = this.order[at] ?? 0;
        const [x, y] = [this.#points[2 * i] ?? 0, this.#points[2 * i + 1] ?? 0];
        if (x >= left && x <= right && y >= low && y <= high) tell(i, x, y);
      }
    }
  }

  #column(x: number): number {
    return Math.min(this.#columns - 1, Math.max(0, Math.floor((x - this.#left) / this.#cell)));
  }

  #row(y: number): number {
    return Math.min(this.#rows - 1, Math.max(0, Math.floor((y - this.#low) / this.#cell)));
  }
}

function isInside(outline: Outline, x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = outline.length - 1; i < outline.length; j = i, i += 1) {
    const [[xi, yi], [xj, yj]] = [outline[i] ?? [0, 0], outline[j] ?? [0, 0]];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}
