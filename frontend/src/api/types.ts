/** The API's nouns under short names. Their shapes are generated from openapi.json, never written here. */
import type { components } from './schema';

type Schemas = components['schemas'];

export type DatasetOut = Schemas['DatasetOut'];
export type AboutImage = Schemas['AboutOut'];
export type DatasetUses = Schemas['UsesOut'];
export type Variant = Schemas['SplitsVariant'] | Schemas['LabelsVariant'];
export type VariantPreview = Schemas['VariantPreviewOut'];
export type DatasetReport = Schemas['DatasetReport'];
export type Leak = Schemas['Leak'];
export type Twin = Schemas['Twin'];
export type ImageOut = Schemas['ImageOut'];
export type Split = ImageOut['split'];
export type EncoderOut = Schemas['EncoderOut'];
export type EncoderOrigin = EncoderOut['origin'];
export type JobOut = Schemas['JobOut'];
export type Verdict = Schemas['Verdict'];
export type CheckpointOut = Schemas['CheckpointOut'];
export type ImageNetFile = Schemas['ImageNetFileOut'];
export type JobBody = Schemas['PretrainJobIn'] | Schemas['TransferJobIn'] | Schemas['EmbedJobIn'];
/** A job to submit. The generated type asks for an embedding's config, which the API fills in itself. */
export type JobIn =
  Schemas['PretrainJobIn'] | Schemas['TransferJobIn'] | Omit<Schemas['EmbedJobIn'], 'config'>;
export type JobState = Schemas['State'];
export type JobKind = Schemas['Kind'];
export type PretrainResult = Schemas['PretrainResult'];
export type TransferResult = Schemas['TransferResult'];
export type EmbedResult = Schemas['EmbedResult'];
export type JobEvent =
  | Schemas['StateEvent']
  | Schemas['LogEvent']
  | Schemas['ProgressEvent']
  | Schemas['EvaluationEvent']
  | Schemas['CheckpointEvent']
  | Schemas['SavedEpochEvent'];
export type EstimateOut = Schemas['EstimateOut'];
export type GridIn = Schemas['GridIn'];
export type GridOut = Schemas['GridOut'];
export type GridPlan = Schemas['PlanOut'];
export type GridDetail = Schemas['GridDetailOut'];
export type GridCell = Schemas['CellOut'];
export type ResultOut = Schemas['ResultOut'];
export type Strategy = ResultOut['strategy'];
export type Score = Schemas['Score'];
export type SplitName = Score['split'];
export type SplitDetails = Schemas['SplitDetails'];
export type EpochScore = Schemas['EpochScore'];
export type ResultDetail = Schemas['ResultDetailOut'];
export type ResultChanges = Schemas['ResultChangesIn'];
export type Mistakes = Schemas['MistakesOut'];
export type Mistake = Schemas['MistakeOut'];
export type Comparison = Schemas['ComparisonOut'];
export type SearchOut = Schemas['SearchOut'];
export type Hit = Schemas['HitOut'];
export type PreviewBody = Schemas['PreviewIn'];
export type Preview = Schemas['PreviewOut'];
export type ShownImage = Schemas['ShownOut'];
export type Overlaps = Schemas['OverlapsOut'];
export type Story = Schemas['StoryOut'];
export type StoryStep = Schemas['StepOut'];
export type PolicyExport = Schemas['ExportOut'];
export type Shortcuts = Schemas['ShortcutsOut'];
export type Hardness = Schemas['HardnessOut'];
export type LabelCosts = Schemas['LabelCostsOut'];
export type SystemOut = Schemas['SystemOut'];
export type WorkerOut = Schemas['WorkerOut'];
export type BuiltinSource = Schemas['BuiltinIn']['source'];

export type AugmentConfig = Schemas['AugmentConfig'];
export type PretrainConfig = Schemas['PretrainConfig'];
export type TransferConfig = Schemas['TransferJobIn']['config'];

const TERMINAL: ReadonlySet<JobState> = new Set<JobState>(['succeeded', 'failed', 'cancelled']);

/** Whether a job in this state has ended for good. */
export function isTerminal(state: JobState | null): boolean {
  return state !== null && TERMINAL.has(state);
}
