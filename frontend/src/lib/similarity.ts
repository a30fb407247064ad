/** What is said and drawn of a similarity map: what each place of an image adds to its cosine with another. */

export type SimilarityMap = readonly (readonly number[])[];

export interface Place {
  row: number;
  column: number;
  value: number;
  /** Its value as a share of the greatest of both maps; what takes similarity away has none. */
  share: number;
}

/** The greatest value in several maps: what the strongest colour stands for in all of them. */
export function greatest(...maps: SimilarityMap[]): number {
  return Math.max(...maps.flatMap((map) => map.flat()));
}

/** Every place of a map, row by row. */
export function placesOf(map: SimilarityMap, top: number): Place[] {
  return map.flatMap((values, row) =>
    values.map((value, column) => ({ row, column, value, share: top > 0 ? Math.max(0, value) / top : 0 })),
  );
}

/** Where a map is strongest, and what that place adds: `Strongest at row 2, column 3 of 4 × 4: it adds 0.21 of 0.86.` */
export function strongestText(map: SimilarityMap, cosine: number): string {
  const places = placesOf(map, 1);
  const best = places.reduce((most, place) => (place.value > most.value ? place : most));
  return (
    `Strongest at row ${best.row + 1}, column ${best.column + 1} of ${map.length} × ${map[0]?.length ?? 0}: ` +
    `it adds ${best.value.toFixed(2)} of ${cosine.toFixed(2)}.`
  );
}

/** How fine the map is: what one of its places stands for in the image. */
export function gridText(rows: number, columns: number, sizePx: number): string {
  const [down, across] = [sizePx / rows, sizePx / columns].map((px) => Number(px.toFixed(1)));
  const patch = `${across} × ${down} px`;
  const coarse = rows * columns <= 16 ? ' That is coarse: it tells a part of the image, not a detail.' : '';
  return `The last feature maps have ${rows} × ${columns} places; each stands for about ${patch} of the image.${coarse}`;
}
