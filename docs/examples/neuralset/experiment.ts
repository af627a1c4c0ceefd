/** An experiment, as neuraltrain has them: a configuration whose one result is a training. */
import { anyStep, Config, TaskInfra, task } from 'curio'
import { rowsOf } from 'curio/cachers'
import { z } from 'zod'
import { Bigrams } from './extractor.js'
import type { Event, Events } from './study.js'

/** Predicts the score of a movie from its title, by ridge regression in small steps. */
export class Scores extends Config({
  /** A study and its transforms, as plain data or steps. */
  events: anyStep<[], Events>(),
  extractor: Bigrams,
  lr: z.number().default(0.5),
  epochs: z.int().default(30),
  ridge: z.number().default(0.001),
  infra: TaskInfra({ version: '1' }),
}) {
  @task()
  async run(): Promise<{ trained: number; tested: number; error: number; baseline: number }> {
    const events = await rowsOf<Event>(await this.events.run())
    await this.extractor.prepare(events)
    const samples = await Promise.all(
      events.map(async (event) => ({ x: await this.extractor.get(event), y: event.score })),
    )
    const train = samples.filter((_, i) => i % 5 !== 0)
    const test = samples.filter((_, i) => i % 5 === 0)
    const mean = train.reduce((sum, { y }) => sum + y, 0) / train.length
    const weights = new Float64Array(this.extractor.size)
    for (let epoch = 0; epoch < this.epochs; epoch++) {
      for (const { x, y } of train) {
        const error = predict(weights, x) + mean - y
        for (let i = 0; i < weights.length; i++) weights[i]! -= this.lr * (error * x[i]! + this.ridge * weights[i]!)
      }
    }
    const rmse = (guess: (x: Float32Array) => number): number =>
      Math.sqrt(test.reduce((sum, { x, y }) => sum + (guess(x) - y) ** 2, 0) / test.length)
    return {
      trained: train.length,
      tested: test.length,
      error: rmse((x) => predict(weights, x) + mean),
      baseline: rmse(() => mean),
    }
  }
}

function predict(weights: Float64Array, x: Float32Array): number {
  let sum = 0
  for (let i = 0; i < weights.length; i++) sum += weights[i]! * x[i]!
  return sum
}
