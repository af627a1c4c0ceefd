import { afterEach, expect, it, vi } from 'vitest'
import { progressOf } from '../../src/execution/progress.js'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

function stream(isTTY: boolean): { readonly said: string[]; readonly out: NodeJS.WriteStream & { fd: 2 } } {
  const said: string[] = []
  return { said, out: { isTTY, write: (text: string) => said.push(text) > 0 } as never }
}

it('nothing is said where nobody looks', () => {
  vi.stubEnv('CURIO_PROGRESS', undefined)
  expect(progressOf('x', stream(false).out)).toBeUndefined()
  vi.stubEnv('CURIO_PROGRESS', '0')
  expect(progressOf('x', stream(true).out)).toBeUndefined()
})

it('a terminal is told how far it is, how fast it goes and what is left, and at the end how long it took', () => {
  vi.stubEnv('CURIO_PROGRESS', undefined)
  const { said, out } = stream(true)
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const tell = progressOf('Squarer.process', out)!
  for (const [at, done] of [
    [100, 5],
    [1000, 25],
    [1100, 30],
    [4000, 100],
  ] as const) {
    now = at
    tell(done, 100)
  }
  expect(said.map((text) => text.replace('\r\u001b[K', ''))).toEqual([
    '  Squarer.process: 25 of 100, 25.0/s, 3 s left',
    '  Squarer.process: 100 of 100, 25.0/s, 4.0 s\n',
  ])
})
