import * as kills from './01-kills.js'
import * as same from './04-same.js'
import * as different from './05-different.js'
import * as flight from './06-flight.js'
import type { Row } from './harness/row.js'

export const rows: readonly Row[] = [
  { row: '1', title: 'writers killed by SIGKILL', ...kills },
  { row: '4', title: 'one key, same bytes, many processes', ...same },
  { row: '5', title: 'one key, different bytes, many processes', ...different },
  { row: '6', title: 'one computation, many processes; holders killed, stopped, blocked', ...flight },
]
