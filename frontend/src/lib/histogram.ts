/** From counts in equal bars to what a chart draws and a table says. */

export interface Bar {
  from: number;
  to: number;
  /** In [0, 1] of the highest bar of all series that share the chart. */
  height: number;
  count: number;
}

/** The bars of one series; `top` is the highest count among all that share the chart. */
export function barsOf(counts: readonly number[], low: number, high: number, top: number): Bar[] {
  const width = (high - low) / Math.max(1, counts.length);
  return counts.map((count, i) => ({
    from: low + i * width,
    to: low + (i + 1) * width,
    height: top > 0 ? count / top : 0,
    count,
  }));
}

/** The outline of a histogram as an SVG path over a box of `width` × `height`, closed along its foot. */
export function outlinePath(bars: readonly Bar[], width: number, height: number): string {
  if (bars.length === 0) return '';
  const step = width / bars.length;
  const at = (value: number): string => value.toFixed(2);
  const tops = bars.map((bar, i) => {
    const y = at(height * (1 - bar.height));
    return `V${y}H${at((i + 1) * step)}`;
  });
  return `M0 ${at(height)}${tops.join('')}V${at(height)}Z`;
}
