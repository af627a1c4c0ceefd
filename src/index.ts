/**
 * curio: a content-addressed artifact store, and stages that never compute the same thing twice.
 *
 * ```ts
 * import { Config, Experiment, stage } from 'curio'
 * import { JsonCacher } from 'curio/cachers'
 * import { z } from 'zod'
 *
 * class Params extends Config({ seed: z.int().default(0) }) {}
 *
 * const draw = stage({ params: Params, outputs: { numbers: JsonCacher } }, async function draw(record) {
 *   return { numbers: [record.params.seed, record.params.seed + 1] }
 * })
 *
 * const record = await new Experiment({ name: 'first', store: './.curio' }).run(new Params({ seed: 3 }), [draw])
 * console.log(await record.get('numbers'))
 * ```
 */
export {
  type ByteSource,
  Cacheable,
  type CacherClass,
  type CacherOptions,
  type CacherSpec,
  Codec,
  callable,
  type Encoded,
  type Json,
} from './artifact/cacheable.js'
export type { Items, ItemsOptions, SetOptions } from './artifact/items.js'
export { type ArtifactHandle, isLazy, type Lazy as LazyHandle } from './artifact/lazy.js'
export type { Mode } from './artifact/once.js'
export { registerCacher } from './artifact/registry.js'
export { type LoadOptions, type Saved, type SaveOptions, Store } from './artifact/store.js'
export * from './errors.js'
export {
  type AnyStep,
  anyStep,
  Chain,
  type ChainConstructor,
  type StepData,
  type StepLike,
} from './execution/chain.js'
export type { MethodOptions } from './execution/decorate.js'
export { type CurrentJob, currentJob, type Job, type JobPaths } from './execution/job.js'
export type { ItemStatus, Lookup as StepLookup } from './execution/lookup.js'
export { isMain } from './execution/main.js'
export { type ItemMap, MapInfra, type MapMethodOptions, map, toArray } from './execution/map.js'
export type {
  Cluster,
  ExecMode,
  InfraOptions,
  MapInput,
  PlaceInput,
  StepInput,
  TaskInput,
} from './execution/options.js'
export { register } from './execution/register.js'
export type { Results } from './execution/results.js'
export { currentSignal, withSignal } from './execution/signal.js'
export {
  Step,
  type StepArguments,
  type StepClass,
  type StepMethods,
  type StepOptions,
  type StepResult,
  type StepValue,
} from './execution/step.js'
export { stepInfra } from './execution/step-infra.js'
export { type Task, TaskInfra, type TaskStatus, task } from './execution/task.js'
export { type WithInfraOptions, withInfra } from './execution/with-infra.js'
export { type Aggregate, aggregate } from './experiment/aggregate.js'
export type { StageContext } from './experiment/context.js'
export { Experiment, type ExperimentOptions, type RunOptions } from './experiment/experiment.js'
export { Lazy, lazy } from './experiment/lazy.js'
export { stageOf } from './experiment/method.js'
export { type HandleOf, StageRecord } from './experiment/record.js'
export type { AggregateRecord } from './experiment/records.js'
export type { StageRun } from './experiment/report.js'
export {
  type ObjectOptions,
  type PositionalOptions,
  type StageOptions,
  stage,
} from './experiment/stage.js'
export type * from './experiment/types.js'
export { canonical, type Identified, identity, OrderedMap } from './identity/canonical.js'
export {
  type AnyConfigClass,
  Config,
  type ConfigClass,
  type ConfigInput,
  type ConfigInstance,
  type ConfigShape,
  isConfig,
  type Picked,
} from './identity/config.js'
export { type Digest, sha256 } from './identity/digest.js'
export { type ExportOptions, exported } from './identity/exported.js'
export { ignored, inputDir, inputFile, secret } from './identity/marks.js'
export { oneOf, type VariantInput } from './identity/oneof.js'
export type { PlainData } from './identity/plain.js'
export { toYaml } from './identity/text.js'
export type { BlobOptions, BlobSource, BlobStore, ByteRange } from './store/blobs.js'
export type { BlobInfo } from './store/checksum.js'
export type { Artifact, ArtifactFile, Entry } from './store/entry.js'
export type { StoreCounts, StoreEvent, StoreEvents } from './store/events.js'
export type { FolderBlobs } from './store/folder-blobs.js'
export type { CommitOptions, Committed, EntryStore, Lookup, MissReason, StoreOptions } from './store/store.js'
export type { Problem, VerifyOptions, VerifyReport } from './store/verify.js'
