import * as kills from './01-kills.js'
import * as items from './02-items.js'
import * as powerCut from './03-power-cut.js'
import * as same from './04-same.js'
import * as different from './05a-different.js'
import * as interleaved from './05b-interleaved.js'
import * as flight from './06a-flight.js'
import * as claims from './06b-claims.js'
import * as flips from './08a-flips.js'
import * as segmentFlips from './08b-segments.js'
import * as lengths from './09a-lengths.js'
import * as segmentLengths from './09b-segments.js'
import * as fullDisk from './10a-full-disk.js'
import * as failingCalls from './10b-failing-calls.js'
import * as access from './12a-access.js'
import * as traps from './12b-traps.js'
import * as clocks from './13-clocks.js'
import * as model from './19-model.js'
import * as keys from './20-keys.js'
import * as sabotage from './25-mutants.js'
import type { Row } from './harness/row.js'

export const rows: readonly Row[] = [
  { row: '1', title: 'writers killed by SIGKILL', ...kills },
  { row: '2', title: 'writers of items killed by SIGKILL', ...items },
  { row: '3', title: 'power lost between any two calls (computed)', ...powerCut },
  { row: '4', title: 'one key, same bytes, many processes', ...same },
  { row: '5a', title: 'one key, different bytes, many processes', ...different },
  { row: '5b', title: 'the other writer in the moment that matters', ...interleaved },
  { row: '6a', title: 'one computation, many processes; holders killed, stopped, blocked', ...flight },
  { row: '6b', title: 'items of a map, many processes; stopped, killed', ...claims },
  { row: '8a', title: 'every bit turned over', ...flips },
  { row: '8b', title: 'every bit of a segment and its index turned over', ...segmentFlips },
  { row: '9a', title: 'files cut, extended, zeroed', ...lengths },
  { row: '9b', title: 'segments and indexes cut, extended, zeroed', ...segmentLengths },
  { row: '10a', title: 'no space, no inodes, at every step', ...fullDisk },
  { row: '10b', title: 'every call that changes the disk fails in turn', ...failingCalls },
  { row: '12a', title: 'files and folders of others, any umask', ...access },
  { row: '12b', title: 'links, pipes and open doors', ...traps },
  { row: '13', title: 'clocks hours and years off', ...clocks },
  { row: '19', title: 'items beside one Map: crashes, damage', ...model },
  { row: '20', title: 'names of every kind', ...keys },
  { row: '25', title: 'the store without one of its guards', ...sabotage },
]
