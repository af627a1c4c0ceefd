import { expect, it } from 'vitest'
import { rows } from '../../bench/faults/rows.js'
import { testRows } from './rows.js'

testRows({
  3: 'whatever of the unsynced writes a power cut takes, what was acknowledged is there and nothing is wrong',
  '8a': 'every turned bit of a blob or an entry is found, and one of a sidecar changes no value',
  '8b': 'a turned bit of a segment costs the value it is in, and one of its index none',
  '9a': 'a file of any wrong length is a miss, and saving again heals it',
  '9b': 'of a segment of any wrong length every whole record is found, whatever became of its index',
  '10a':
    'without space or inodes a save is refused whole, a stage or a map still gets its values, and old ones are readable',
  '10b': 'whichever call fails, the error is typed or the save is whole, and nothing is left behind',
  '12a': 'what another user may read is read, what may not be written degrades, and umask changes no mode',
  '12b': 'no link, pipe or open door leads a read or a write astray',
  19: 'items of processes that come and go are like one Map, and damage costs values, never their truth',
  20: 'every name is refused or given back as it was, in a folder of its own inside the store',
})

it('every row of the table is a test here or in the files beside this one', () => {
  expect(rows.map(({ row }) => row)).toEqual([
    '1',
    '2',
    '3',
    '4',
    '5a',
    '5b',
    '6a',
    '6b',
    '8a',
    '8b',
    '9a',
    '9b',
    '10a',
    '10b',
    '12a',
    '12b',
    '13',
    '19',
    '20',
    '25',
  ])
})
