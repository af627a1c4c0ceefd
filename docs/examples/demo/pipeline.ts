/**
 * Which flights will be late? Real flights of early 2001 (vega-datasets), a table of airports, a small model, its metrics and a picture.
 *
 * Five stages. Each says which parameters it reads and how its outputs are kept; that is all curio needs.
 */
import { readFile } from 'node:fs/promises'
import { Config, inputFile, lazy, stage } from 'curio'
import { JsonCacher, MsgpackCacher, TensorCacher, TextCacher } from 'curio/cachers'
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

/** Column by column, as numbers are kept: `airport[i]` is an index into `airports`. */
interface Flights {
  airports: string[]
  airport: Uint16Array
  hour: Uint8Array
  delay: Int16Array
  distance: Float32Array
}

export const clean = stage(
  { params: Params.pick('flights', 'maxDelay'), outputs: { flights: lazy(MsgpackCacher) } },
  async function clean(record) {
    const rows = JSON.parse(await readFile(record.params.flights, 'utf8')) as Flight[]
    const good = rows.filter((row) => Math.abs(row.delay) <= record.params.maxDelay && row.distance > 0)
    const airports = [...new Set(good.map((row) => row.origin))].sort()
    const index = new Map(airports.map((name, i) => [name, i]))
    const flights: Flights = {
      airports,
      airport: Uint16Array.from(good, (row) => index.get(row.origin)!),
      hour: Uint8Array.from(good, (row) => Number(row.date.slice(11, 13))),
      delay: Int16Array.from(good, (row) => row.delay),
      distance: Float32Array.from(good, (row) => row.distance),
    }
    return { flights }
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
  async function features(record, { flights }) {
    const { minDepartures, lateFrom } = record.params
    const n = flights.airports.length
    const data = new Float32Array(n * featureCount)
    const rows = Array.from({ length: n }, (): number[] => [])
    const others: number[] = []
    for (const [i, airport] of flights.airport.entries()) rows[airport]!.push(i)
    for (const list of rows) if (list.length < minDepartures) others.push(...list)
    for (const [airport, own] of rows.entries()) {
      const list = own.length < minDepartures ? others : own
      const mean = average(list, (i) => flights.delay[i]!)
      const spread = Math.sqrt(average(list, (i) => (flights.delay[i]! - mean) ** 2))
      const late = average(list, (i) => (flights.delay[i]! >= lateFrom ? 1 : 0))
      const distance = average(list, (i) => flights.distance[i]!)
      data.set([late, mean / 60, spread / 60, distance / 1000, Math.log10(own.length + 1)], airport * featureCount)
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

function inputsOf(flights: Flights, airports: ArrayLike<number>, i: number): number[] {
  const angle = (flights.hour[i]! / 24) * 2 * Math.PI
  const row: number[] = [1, Math.sin(angle), Math.cos(angle), flights.distance[i]! / 1000]
  for (let k = 0; k < featureCount; k++) row.push(airports[flights.airport[i]! * featureCount + k]!)
  return row
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
    const airports = airportFeatures.data as Float32Array
    const rows: number[][] = []
    const late: number[] = []
    for (const [i, delay] of flights.delay.entries()) {
      if (isTest(i)) continue
      rows.push(inputsOf(flights, airports, i))
      late.push(delay >= lateFrom ? 1 : 0)
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
    const airports = airportFeatures.data as Float32Array
    const hours = Array.from({ length: 24 }, (_, hour) => ({ hour, flights: 0, late: 0, expected: 0 }))
    let right = 0
    let loss = 0
    let count = 0
    for (const [i, delay] of flights.delay.entries()) {
      if (!isTest(i)) continue
      const p = chance(model.weights, inputsOf(flights, airports, i))
      const late = delay >= model.lateFrom
      count += 1
      right += p >= 0.5 === late ? 1 : 0
      loss -= Math.log(late ? p : 1 - p)
      const bin = hours[flights.hour[i]!]!
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

export const pipeline = [clean, features, train, evaluate, plot] as const
