/** A study, as neuralset has them: recordings on timelines, read one by one, and merged into a table of events. */
import * as fs from 'node:fs'
import { inputFile, MapInfra, map, register, Step, toArray } from 'curio'
import { ArrowCacher, rowsOf, type TableOf, tableOf } from 'curio/cachers'
import { z } from 'zod'

/** What happens on a timeline. */
export const Event = z.strictObject({
  timeline: z.string(),
  /** Years since 1900. */
  start: z.number(),
  /** In minutes; null where nobody noted it. */
  duration: z.number().nullable(),
  text: z.string(),
  /** What an experiment is to predict, from 0 to 10. */
  score: z.number(),
})
export type Event = z.infer<typeof Event>

const Events = ArrowCacher({ schema: Event })
export type Events = TableOf<Event>

interface Movie {
  readonly Title: string | null
  readonly 'Release Date': string
  readonly 'Running Time min': number | null
  readonly 'MPAA Rating': string | null
  readonly 'IMDB Rating': number | null
}

/** Movies by their rating for audiences: each rating is a timeline. Its `infra` keeps the merged table, `infraTimelines` each timeline. */
export class Movies extends Step(
  {
    path: inputFile(),
    timelines: z.array(z.string()).default(['G', 'PG', 'PG-13', 'R']),
    infraTimelines: MapInfra({ version: '1' }),
  },
  { cacher: ArrowCacher },
) {
  @map({ infra: 'infraTimelines', itemUid: String, cacher: Events, exclude: ['timelines'] })
  async *load(timelines: Iterable<string>): AsyncGenerator<Events> {
    const movies = JSON.parse(fs.readFileSync(this.path, 'utf8')) as Movie[]
    for (const timeline of timelines) {
      const rows: Event[] = movies
        .filter((movie) => movie['MPAA Rating'] === timeline && movie.Title !== null && movie['IMDB Rating'] !== null)
        .map((movie) => ({
          timeline,
          start: new Date(movie['Release Date']).getUTCFullYear() - 1900,
          duration: movie['Running Time min'],
          text: String(movie.Title),
          score: movie['IMDB Rating']!,
        }))
      yield await tableOf(rows, Event)
    }
  }

  async compute(): Promise<Events> {
    const tables = await toArray(this.load(this.timelines))
    return tables[0]!.concat(...tables.slice(1))
  }
}

/** Keeps events by their times; the transforms of a chain go from a table of events to another. */
export class Between extends Step({ from: z.number().default(0), to: z.number().default(200) }, { cacher: Events }) {
  async compute(events: Events): Promise<Events> {
    const rows = await rowsOf<Event>(events)
    return tableOf(
      rows.filter(({ start }) => start >= this.from && start < this.to),
      Event,
    )
  }
}

register(Movies, Between)
