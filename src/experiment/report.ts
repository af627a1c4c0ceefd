import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { StoreEvent } from '../store/events.js'

/** How one stage went in one record. Published on the diagnostics channel `curio:stage`. */
export interface StageRun {
  readonly stage: string
  readonly key: string
  /** `uncached`: computed, but not stored; `note` says why. */
  readonly how: 'computed' | 'loaded' | 'uncached'
  /** Every output is a lazy one. */
  readonly lazy: boolean
  readonly seconds: number
  /** Seconds the stored computation took, when it was loaded: what was saved. */
  readonly savedSeconds: number
  /** Total size of the outputs. */
  readonly bytes: number
  readonly note?: string
}

const stageChannel = channel('curio:stage')
const nameWidth = 24

/** Writes a line a stage to stderr, and shows on a terminal that something is under way. When it may not, warnings are the process's. */
export class Reporter {
  readonly #out: NodeJS.WriteStream | undefined
  readonly #warned = new Set<string>()

  readonly #label: string

  /** @param label stands before the name of each stage: which of many parameter sets it is. */
  constructor(enabled: boolean, label = '', out: NodeJS.WriteStream = process.stderr) {
    this.#out = enabled ? out : undefined
    this.#label = label
  }

  /** Runs `action` as the stage `name`; on a terminal, shows the time it has taken and whom it waits for. */
  async during<T>(name: string, key: () => string, action: (started: () => void) => Promise<T>): Promise<T> {
    const out = this.#out
    const begin = performance.now()
    let doing = 'looking'
    const onStore = (message: unknown): void => {
      const event = message as StoreEvent
      if (event.kind === 'blob-damaged')
        this.warn(name, `blob ${event.digest.slice(0, 12)} is damaged (${event.reason}): set aside`)
      if (event.kind === 'entry-damaged') this.warn(name, `the entry of ${event.key} is damaged: set aside`)
      if (event.kind !== 'waiting' || event.key !== key()) return
      doing = `waiting for ${event.holder}`
      if (out?.isTTY !== true) this.#line(name, `${doing} (${event.seconds} s)`)
    }
    const show = (): void => {
      out?.write(
        `\r\u001b[K  ${this.#label}${name.padEnd(nameWidth)} ${doing} … ${duration((performance.now() - begin) / 1000)}`,
      )
    }
    const timer = out?.isTTY === true ? setInterval(show, 1000) : undefined
    timer?.unref()
    subscribe('curio:store', onStore)
    try {
      return await action(() => {
        doing = 'computing'
      })
    } catch (error) {
      const { name: kind, message } = (error ?? {}) as Error
      this.#line(
        name,
        `failed    ${duration((performance.now() - begin) / 1000).padStart(8)}  ${kind}: ${String(message).split('\n')[0]}`,
      )
      throw error
    } finally {
      unsubscribe('curio:store', onStore)
      clearInterval(timer)
      if (timer !== undefined) out?.write('\r\u001b[K')
    }
  }

  finished(run: StageRun): void {
    if (stageChannel.hasSubscribers) stageChannel.publish(run)
    const how = run.how === 'loaded' && run.lazy ? 'lazy' : run.how
    const note = run.note === undefined ? '' : `  ${run.note.split('\n')[0]}`
    this.#line(run.stage, `${how.padEnd(9)} ${duration(run.seconds).padStart(8)} ${size(run.bytes).padStart(9)}${note}`)
  }

  /** Says something once in this run. */
  warn(name: string, text: string): void {
    if (this.#warned.has(`${name}\0${text}`)) return
    this.#warned.add(`${name}\0${text}`)
    if (this.#out === undefined) process.emitWarning(`${name}: ${text}`, 'CurioWarning')
    else this.#line(name, `warning: ${text}`)
  }

  #line(name: string, text: string): void {
    this.#out?.write(`  ${this.#label}${name.padEnd(nameWidth)} ${text}\n`)
  }
}

/** Seconds for people: `0.4 ms`, `12 ms`, `3.2 s`, `4 min 10 s`. */
export function duration(seconds: number): string {
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

/** Bytes for people, in powers of 1024: `812 B`, `4.1 KiB`. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let value = bytes
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(1)} ${units[unit]}`
}
