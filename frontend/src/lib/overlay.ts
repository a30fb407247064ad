/** Several pretrainings in one chart each: loss, k-NN accuracy, how the space is shaped. */
import type { Table } from './csv';
import { lookOf } from './looks';
import { percentOf } from './numbers';
import { thinned, type Point, type Series } from './plot';
import type { EvaluationPoint, Story } from './story';

export interface Run {
  name: string;
  story: Story;
}

// More points than these lie on one another.
const MOST_POINTS = 400;

export function lossOverlay(runs: readonly Run[]): Series[] {
  return overlay(runs, false, ({ story }) =>
    thinned(
      story.losses.map(({ step, loss }) => ({
        x: step,
        y: loss,
        label: `step ${step}\nloss ${loss?.toFixed(3) ?? 'not a number'}`,
      })),
      MOST_POINTS,
    ),
  );
}

/** One figure of every look, against the epoch. */
export function epochOverlay(
  runs: readonly Run[],
  of: 'accuracy' | 'probe' | 'rankH' | 'rankZ',
  written: (value: number, n: number) => string,
): Series[] {
  return overlay(runs, true, ({ story }) =>
    story.evaluations.flatMap((look) => {
      const y = look[of];
      return y === null ? [] : [{ x: look.epoch, y, label: `epoch ${look.epoch}\n${written(y, look.n)}` }];
    }),
  );
}

/** The way through the plane of alignment and uniformity (Wang & Isola 2020): down and to the left is better. */
export function planeOverlay(runs: readonly Run[]): Series[] {
  return overlay(runs, true, ({ story }) =>
    story.evaluations.flatMap(({ alignment, uniformity, epoch }) =>
      alignment === null || uniformity === null
        ? []
        : [
            {
              x: alignment,
              y: uniformity,
              label: `epoch ${epoch}\nalignment ${alignment.toFixed(3)}\nuniformity ${uniformity.toFixed(3)}`,
            },
          ],
    ),
  );
}

function overlay(runs: readonly Run[], marked: boolean, pointsOf: (run: Run) => Point[]): Series[] {
  return runs
    .map((run, i) => ({
      name: run.name,
      look: lookOf(i),
      joined: true,
      marked,
      points: named(run, pointsOf(run)),
    }))
    .filter(({ points }) => points.length > 0);
}

function named(run: Run, points: readonly Point[]): Point[] {
  return points.map((point) => ({ ...point, label: `${run.name}\n${point.label}` }));
}

/** What stands behind the loss. */
export function lossTable(runs: readonly Run[]): Table {
  return {
    head: ['Run', 'Step', 'Loss'],
    rows: runs.flatMap(({ name, story }) => story.losses.map(({ step, loss }) => [name, step, loss])),
  };
}

const LOOKS: readonly [string, keyof EvaluationPoint][] = [
  ['Epoch', 'epoch'],
  ['k-NN accuracy', 'accuracy'],
  ['Linear probe', 'probe'],
  ['Alignment', 'alignment'],
  ['Uniformity', 'uniformity'],
  ['Rank of h', 'rankH'],
  ['Rank of z', 'rankZ'],
];

/** What stands behind every chart over epochs. */
export function looksTable(runs: readonly Run[]): Table {
  return {
    head: ['Run', ...LOOKS.map(([name]) => name)],
    rows: runs.flatMap(({ name, story }) =>
      story.evaluations.map((look) => [name, ...LOOKS.map(([, key]) => look[key])]),
    ),
  };
}

export interface Ending {
  name: string;
  loss: number | null;
  accuracy: string;
  rank: number | null;
}

/** Where each run stands at its end, or now. */
export function endings(runs: readonly Run[]): Ending[] {
  return runs.map(({ name, story }) => {
    const looked = story.evaluations.findLast(({ accuracy }) => accuracy !== null);
    return {
      name,
      loss: story.losses.at(-1)?.loss ?? null,
      accuracy: looked?.accuracy == null ? '–' : percentOf(looked.accuracy, looked.n),
      rank: story.evaluations.findLast(({ rankH }) => rankH !== null)?.rankH ?? null,
    };
  });
}
