import { acceptable, described } from '../artifact/accept.js'
import { noteComputing } from '../artifact/computing.js'
import { exportCopy } from '../artifact/export.js'
import { type Computed, type Mode, obtain } from '../artifact/once.js'
import { provenance } from '../artifact/provenance.js'
import type { Store } from '../artifact/store.js'
import { StageOutputError } from '../errors.js'
import { refuseWhileImporting } from '../execution/main.js'
import { unchanged } from '../identity/files.js'
import { BodyContext, guarded } from './context.js'
import { decide, type OutputPlan, type Plan, type StageSpec } from './decide.js'
import { outputValues } from './outputs.js'
import { InputsChanged, type StageRecord } from './record.js'
import type { StageRun } from './report.js'
import { runElsewhere, type StageCall, taken } from './stage-call.js'

const maxRounds = 4

/** Runs a stage in a record: decides, computes if need be, and puts handles on the outputs into the record's state. */
export async function runStage(
  record: StageRecord,
  spec: StageSpec,
  given: Record<string, unknown> = {},
  /** The records an aggregate is called with. */
  over?: readonly StageRecord[],
): Promise<StageRun> {
  refuseWhileImporting(`stage ${spec.name}`)
  const { mode, token } = modeOf(record, spec)
  const store = await (mode === 'read-only' ? record.experiment.readOnlyStore() : record.store())
  const { reporter } = record
  const { signal } = record.runOptions
  signal?.throwIfAborted()
  let keyText = ''
  const running = reporter.during(
    spec.name,
    () => keyText,
    async (started) => {
      for (let round = 0; ; round++) {
        const begin = performance.now()
        const plan = await decide(record, spec, given, over)
        keyText = plan.key.text
        const result = await execute(store, { record, spec, given, over }, plan, { mode, token, started })
        // An input whose bytes were gone came back different: the decision was about another input.
        if (result === 'inputs-changed' && round < maxRounds) continue
        if (result === 'inputs-changed')
          throw new StageOutputError(spec.name, 'has an input that is different each time it is computed', [
            ...spec.outputs.keys(),
          ])
        return { ...result, seconds: (performance.now() - begin) / 1000 }
      }
    },
  )
  const run = await running.catch((error: unknown) => {
    noteComputing(error, `stage ${spec.name}${keyText === '' ? '' : `, ${keyText}`}`)
    throw error
  })
  record.stages.push(run)
  reporter.finished(run)
  return run
}

async function execute(
  store: Store,
  call: StageCall,
  plan: Plan,
  { mode, token, started }: { mode: Mode; token: string | undefined; started: () => void },
): Promise<Omit<StageRun, 'seconds'> | 'inputs-changed'> {
  const { record, spec } = call
  const sent = spec.infra === undefined ? call : taken(call)
  const { runOptions, reporter } = record
  const { signal, lazy = 'declared' } = runOptions
  const isLazy = (output: OutputPlan): boolean => (lazy === 'declared' ? output.lazy : lazy === 'all')
  const compute = async (signal: AbortSignal | undefined): Promise<Computed> => {
    const values: Record<string, unknown> = {}
    for (const [name, input] of plan.inputs) if (name !== 'this') values[name] = await input.load(signal)
    const context = new BodyContext(spec.name, plan.visible, plan.methods, signal, plan.cachers)
    let returned: unknown
    try {
      const inputs = guarded(spec.name, values, 'inputs')
      returned = await spec.body(context, spec.over === undefined ? inputs : inputs.records)
    } catch (error) {
      context.close()
      throw error
    }
    return {
      values: outputValues(spec, returned),
      folder: context.extra,
      dispose: () => context.close(),
      check: async () => {
        for (const input of plan.inputs.values()) await input.confirm?.(spec.name)
        const moved = plan.params.files.find((file) => !unchanged(file))
        return moved === undefined ? undefined : `${moved.path} changed while the stage ran`
      },
    }
  }

  try {
    const obtained = await obtain(store, {
      key: plan.key,
      outputs: plan.cachers,
      mode,
      token,
      deterministic: spec.deterministic,
      signal,
      accept: (entry) => acceptable(entry, { ...spec, params: plan.params }, (text) => reporter.warn(spec.name, text)),
      compute,
      ...(spec.infra === undefined || store.readOnly
        ? {}
        : { elsewhere: (signal) => runElsewhere(sent, plan, store, { mode, token, signal }) }),
      describe: (seconds) => describeEntry(record, spec, plan, seconds),
      onCompute: started,
      onUnfit: (name) =>
        reporter.warn(spec.name, `extra file ${name} is a link, or has a name that not every system takes: not kept`),
    })
    for (const [name, output] of spec.outputs) {
      const handle = obtained.handles.get(name)!
      const how = { lazy: isLazy(output), resolve: output.resolve, stage: spec.name, origin: spec.origin }
      record.place(name, handle, how)
      const cacher = plan.cachers.get(name)
      if (cacher?.options.overwritePath !== undefined && mode !== 'read-only') {
        const refused = await exportCopy(handle, cacher.options.overwritePath, mode === 'force')
        if (refused !== undefined) reporter.warn(spec.name, refused)
      }
    }
    const stored = Number(obtained.entry.provenance.seconds ?? 0)
    const note =
      obtained.reason ??
      (obtained.commit === 'kept' ? 'came out different from the stored result, which stands' : undefined)
    return {
      stage: spec.name,
      key: plan.key.text,
      how: obtained.how,
      lazy: [...spec.outputs.values()].every(isLazy) && spec.outputs.size > 0,
      savedSeconds: obtained.how === 'loaded' ? stored : 0,
      bytes: obtained.entry.artifacts.reduce((sum, artifact) => sum + artifact.bytes, 0),
      ...(note === undefined ? {} : { note }),
    }
  } catch (error) {
    if (error instanceof InputsChanged) return 'inputs-changed'
    throw error
  }
}

/** What this stage does in this run: the run's word goes before the stage's own. */
function modeOf(record: StageRecord, spec: StageSpec): { mode: Mode; token: string | undefined } {
  const { mode, force = [], token } = record.runOptions
  const forced = force.some((one) => (typeof one === 'string' ? one : one.stageName) === spec.name)
  const own = mode === 'read-only' ? mode : forced ? 'force' : (mode ?? spec.mode ?? 'cached')
  return { mode: own, token: own === 'force' ? token : undefined }
}

function describeEntry(
  record: StageRecord,
  spec: StageSpec,
  plan: Plan,
  seconds: number,
): ReturnType<Parameters<typeof obtain>[1]['describe']> {
  const named = [...plan.inputs].flatMap(([name, input]) => [[name, input] as const, ...(input.parts ?? [])])
  const inputs = Object.fromEntries(
    named.map(([name, { identity, from }]) => [
      name,
      'artifact' in identity
        ? { artifact: identity.artifact, ...(from === undefined ? {} : { from }) }
        : { value: identity.value },
    ]),
  )
  const usage = process.resourceUsage()
  return {
    ...described({ ...spec, params: plan.params }),
    inputs,
    provenance: provenance({
      experiment: record.experiment.name,
      stage: spec.name,
      stagesBefore: record.stages.map((run) => run.stage),
      seconds: Math.round(seconds * 1e6) / 1e6,
      peakMemoryBytes: usage.maxRSS * 1024,
      inputFiles: plan.params.files.map((file) => file.path),
    }),
  }
}
