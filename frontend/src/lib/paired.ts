/** A paired test between two results in sentences. */
import type { Comparison } from '../api/types';
import { count } from './numbers';

/** Below it, one calls a difference more than chance. */
const LEVEL = 0.05;

export function pairedText(told: Comparison): string[] {
  const differ = told.only_first + told.only_second;
  return [
    `Of ${count(told.n)} ${told.split === 'test' ? 'test' : 'validation'} images only A is right on ${count(told.only_first)}, only B on ${count(told.only_second)}. ` +
      (differ === 0
        ? 'They answer alike.'
        : `McNemar: p ${pText(told.p)}; ${told.p < LEVEL ? 'the difference is more than chance.' : 'these images do not tell them apart.'}`),
    ...(told.is_auc_too_long
      ? ['ROC-AUC was not compared: of so many images and classes its bootstrap would take too long.']
      : []),
    ...(told.auc === null
      ? []
      : [
          `ROC-AUC of B minus A: ${signed(told.auc.difference)} (${signed(told.auc.low)} to ${signed(told.auc.high)}, paired bootstrap, p ${pText(told.auc.p)}).`,
        ]),
  ];
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
}

/** `= 0.031`, `< 0.001`. */
export function pText(p: number): string {
  return p < 0.001 ? '< 0.001' : `= ${p.toFixed(3)}`;
}
