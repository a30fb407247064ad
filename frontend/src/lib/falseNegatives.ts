/** Negatives that share the anchor's class, by batch size: as `simclr.datasets.false_negatives` has it, for a slider to feel. */

export interface FalseNegatives {
  /** Of an anchor's negatives, the share of its class; the same for every batch size. */
  share: number;
  /** Their number among 2N − 2. */
  perAnchor: number;
  /** Probability that an anchor has one at all. */
  any: number;
}

/** What to expect of batches of `batch` images, drawn without replacement from classes of `counts` images. */
export function falseNegatives(counts: readonly number[], batch: number): FalseNegatives {
  const n = counts.reduce((sum, count) => sum + count, 0);
  const share = counts.reduce((sum, count) => sum + ((count / n) * (count - 1)) / (n - 1), 0);
  const none = counts.reduce(
    (sum, count) => (count > 0 ? sum + (count / n) * chanceOfNone(n - 1, count - 1, batch - 1) : sum),
    0,
  );
  return { share, perAnchor: share * (2 * batch - 2), any: Math.min(1, Math.max(0, 1 - none)) };
}

/** The batch sizes of a slider: powers of two that the training images allow, 4,096 at most. */
export function batchSizes(n: number): number[] {
  return Array.from({ length: 12 }, (_, power) => 2 ** (power + 1)).filter((batch) => batch <= n);
}

/** That a draw without replacement holds none of the marked ones. */
function chanceOfNone(population: number, marked: number, drawn: number): number {
  const left = population - marked;
  if (drawn > left) return 0;
  return Math.exp(
    logFactorial(left) -
      logFactorial(left - drawn) -
      logFactorial(population) +
      logFactorial(population - drawn),
  );
}

/** ln n!, exact to nine digits and more: a sum below 32, Stirling's series (Abramowitz & Stegun 6.1.41) above. */
function logFactorial(n: number): number {
  if (n < 32) {
    let sum = 0;
    for (let i = 2; i <= n; i += 1) sum += Math.log(i);
    return sum;
  }
  const x = n + 1;
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + 1 / (12 * x) - 1 / (360 * x ** 3);
}
