/** What the Views page says of images, boxes and steps. */
import type { StoryStep } from '../api/types';

/** Top, left, height, width, in pixels. */
export type Box = readonly [number, number, number, number];

export const MODES = ['pairs', 'many', 'steps'] as const;
export type Mode = (typeof MODES)[number];
export const MODE_NAME: Record<Mode, string> = {
  pairs: 'Pairs',
  many: 'Many views',
  steps: 'Step by step',
};

export const STEP_NAME: Record<string, string> = {
  rotation: 'Rotation',
  crop: 'Crop',
  flip: 'Mirror',
  vertical_flip: 'Upside down',
  brightness: 'Brightness',
  contrast: 'Contrast',
  saturation: 'Saturation',
  hue: 'Hue',
  grey: 'Greyscale',
  blur: 'Blur',
  solarise: 'Solarisation',
  noise: 'Noise',
  erase: 'Erasing',
};

export function modeOf(text: string | null): Mode {
  return MODES.find((mode) => mode === text) ?? 'pairs';
}

/** An image as it is called: those of a set have a number, a person's own has none. */
export function nameOf(index: number | null): string {
  return index === null ? 'your photo' : `image ${index}`;
}

/** An overlap in [0, 1] as a whole percentage: `37 %`; only nothing at all is `none`. */
export function overlapText(overlap: number): string {
  if (overlap === 0) return 'none';
  return overlap < 0.01 ? '< 1 %' : `${Math.round(100 * overlap)} %`;
}

/** The share of the image that a box keeps: `46 % of the area`. */
export function shareText([, , height, width]: Box, size: number): string {
  return `${Math.round((100 * height * width) / size ** 2)} % of the area`;
}

/** The steps of operations that the policy uses, and any that were applied all the same. */
export function stepsShown(steps: readonly StoryStep[], used: ReadonlySet<string>): StoryStep[] {
  return steps.filter((step) => step.applied || used.has(step.part));
}
