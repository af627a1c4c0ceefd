/**
 * Which flights will be late? Real flights of early 2001 (vega-datasets), a table of airports, a small model, its metrics and a picture.
 *
 * Five stages and an aggregate. Each says which parameters it reads and how its outputs are kept; that is all curio needs.
 */
import { readFile } from 'node:fs/promises'
import type { Table } from 'apache-arrow'
import { aggregate, Config, inputFile, type LazyHandle, lazy, stage } from 'curio'
import { CsvCacher, JsonCacher, MsgpackCacher, ParquetCacher, TensorCacher, TextCacher } from 'curio/cachers'
import { z } from 'zod'
import { drawSvg } from './plot.js'

export class Params extends Config({
  /** Counts by its content: a copy elsewhere finds the same results. */
  flights: inputFile(),
  /** Flights later than this many minutes are taken for errors in the data. */
  maxDelay: z.int().positive().default(600),
  /** Airports with fewer departures share one row of features. */
  minDepartures: z.int().positive().default(20),
  /** A flight counts as late from this many minutes on. */
  lateFrom: z.int().positive().default(15),
  epochs: z.int().positive().default(300),
  learningRate: z.number().positive().default(0.5),
}) {}

interface Flight {
  date: string
  delay: number
  distance: number
  origin: string
}

/** Some columns of the flights, and each flight's airport as an index into their sorted names. */
interface Flights {
  airports: string[]
  airport: Uint16Array
  column(name: 'hour' | 'delay' | 'distance'): ArrayLike<number>
  count: number
}

/** Reads only the columns that are named. */
async function read(flights: LazyHandle<Table>, ...names: ('hour' | 'delay' | 'distance')[]): Promise<Flights> {
  const table = await flights.columns(['origin', ...names])
  const origins = [...table.getChild('origin')!] as string[]
  const airports = [...new Set(origins)].sort()
  const index = new Map(airports.map((name, i) => [name, i]))
  return {
    airports,
    airport: Uint16Array.from(origins, (name) => index.get(name)!),
    column: (name) => table.getChild(name)!.toArray() as ArrayLike<number>,
    count: table.numRows,
  }
}

export const clean = stage(
  {
    params: Params.pick('flights', 'maxDelay'),
    // The next stages get the handle, and read the columns they need.
    outputs: { flights: lazy(ParquetCacher, { resolve: false }) },
  },
  async function clean(record) {
    const rows = JSON.parse(await readFile(record.params.flights, 'utf8')) as Flight[]
    const good = rows.filter((row) => Math.abs(row.delay) <= record.params.maxDelay && row.distance > 0)
    return {
      flights: {
        date: good.map((row) => new Date(`${row.date.replaceAll('/', '-').replace(' ', 'T')}:00Z`)),
        origin: good.map((row) => row.origin),
        hour: Uint8Array.from(good, (row) => Number(row.date.slice(11, 13))),
        delay: Int16Array.from(good, (row) => row.delay),
        distance: Float32Array.from(good, (row) => row.distance),
      },
    }
  },
)

/** Features of an airport: share of late departures, mean delay, spread, mean distance, log of departures. */
const featureCount = 5

export const features = stage(
  {
    params: Params.pick('minDepartures', 'lateFrom'),
    inputs: [clean],
    outputs: { airportFeatures: lazy(TensorCacher) },
  },
  async function features(record, inputs) {
    const { minDepartures, lateFrom } = record.params
    const flights = await read(inputs.flights, 'delay', 'distance')
    const [delay, distance] = [flights.column('delay'), flights.column('distance')]
    const n = flights.airports.length
    const data = new Float32Array(n * featureCount)
    const rows = Array.from({ length: n }, (): number[] => [])
    const others: number[] = []
    for (const [i, airport] of flights.airport.entries()) rows[airport]!.push(i)
    for (const list of rows) if (list.length < minDepartures) others.push(...list)
    for (const [airport, own] of rows.entries()) {
      const list = own.length < minDepartures ? others : own
      const mean = average(list, (i) => delay[i]!)
      const spread = Math.sqrt(average(list, (i) => (delay[i]! - mean) ** 2))
      const late = average(list, (i) => (delay[i]! >= lateFrom ? 1 : 0))
      const far = average(list, (i) => distance[i]!)
      data.set([late, mean / 60, spread / 60, far / 1000, Math.log10(own.length + 1)], airport * featureCount)
    }
    return { airportFeatures: { data, shape: [n, featureCount] } }
  },
)

function average(list: readonly number[], of: (i: number) => number): number {
  return list.reduce((sum, i) => sum + of(i), 0) / Math.max(1, list.length)
}

/** Weights of a logistic regression on airport, hour of the day and distance. */
interface Model {
  weights: Float64Array
  lateFrom: number
}

const inputCount = featureCount + 4

/** What the model sees of each flight, and how late it was. */
async function examples(handle: LazyHandle<Table>, airports: ArrayLike<number>) {
  const flights = await read(handle, 'hour', 'delay', 'distance')
  const [hour, delay, distance] = [flights.column('hour'), flights.column('delay'), flights.column('distance')]
  const inputs = (i: number): number[] => {
    const angle = (hour[i]! / 24) * 2 * Math.PI
    const row: number[] = [1, Math.sin(angle), Math.cos(angle), distance[i]! / 1000]
    for (let k = 0; k < featureCount; k++) row.push(airports[flights.airport[i]! * featureCount + k]!)
    return row
  }
  return { count: flights.count, hour, delay, inputs }
}

function chance(weights: Float64Array, row: readonly number[]): number {
  return 1 / (1 + Math.exp(-row.reduce((sum, x, k) => sum + x * weights[k]!, 0)))
}

/** Every fifth flight is kept for testing. */
const isTest = (i: number): boolean => i % 5 === 0

export const train = stage(
  {
    params: Params.pick('epochs', 'learningRate', 'lateFrom'),
    inputs: [clean, features],
    outputs: { model: MsgpackCacher },
  },
  async function train(record, { flights, airportFeatures }) {
    const { epochs, learningRate, lateFrom } = record.params
    const { count, delay, inputs } = await examples(flights, airportFeatures.data as Float32Array)
    const rows: number[][] = []
    const late: number[] = []
    for (let i = 0; i < count; i++) {
      if (isTest(i)) continue
      rows.push(inputs(i))
      late.push(delay[i]! >= lateFrom ? 1 : 0)
    }
    const weights = new Float64Array(inputCount)
    for (let epoch = 0; epoch < epochs; epoch++) {
      const gradient = new Float64Array(inputCount)
      for (const [i, row] of rows.entries()) {
        const miss = chance(weights, row) - late[i]!
        for (const [k, x] of row.entries()) gradient[k]! += miss * x
      }
      for (const [k, g] of gradient.entries()) weights[k]! -= (learningRate * g) / rows.length
    }
    const model: Model = { weights, lateFrom }
    return { model }
  },
)

export const evaluate = stage(
  { inputs: [clean, features, train], outputs: { metrics: JsonCacher, byHour: JsonCacher }, params: Params.pick() },
  async function evaluate(_record, { flights, airportFeatures, model }) {
    const { count: all, hour, delay, inputs } = await examples(flights, airportFeatures.data as Float32Array)
    const hours = Array.from({ length: 24 }, (_, hour) => ({ hour, flights: 0, late: 0, expected: 0 }))
    let right = 0
    let loss = 0
    let count = 0
    for (let i = 0; i < all; i++) {
      if (!isTest(i)) continue
      const p = chance(model.weights, inputs(i))
      const late = delay[i]! >= model.lateFrom
      count += 1
      right += p >= 0.5 === late ? 1 : 0
      loss -= Math.log(late ? p : 1 - p)
      const bin = hours[hour[i]!]!
      bin.flights += 1
      bin.late += late ? 1 : 0
      bin.expected += p
    }
    return { metrics: { flights: count, accuracy: right / count, logLoss: loss / count }, byHour: hours }
  },
)

export const plot = stage(
  { inputs: [evaluate], outputs: { picture: TextCacher({ extension: '.svg' }) }, params: Params.pick() },
  async function plot(_record, { byHour, metrics }) {
    return { picture: drawSvg(byHour, metrics) }
  },
)

/** One table of all parameter sets, as a CSV file. */
export const compare = aggregate(
  { each: Params.pick('epochs', 'maxDelay'), inputs: [evaluate], outputs: { table: CsvCacher } },
  async function compare(_record, records) {
    return {
      table: await Promise.all(records.map(async (one) => ({ ...one.params, ...(await one.get('metrics')) }))),
    }
  },
)

export const pipeline = [clean, features, train, evaluate, plot] as const
