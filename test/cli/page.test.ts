import * as fs from 'node:fs'
import * as path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commands } from '../../src/cli/commands.js'
import { type Place, root } from './helpers.js'
import { pageStore, runLine } from './page.js'

const page = fs.readFileSync(path.join(root, 'docs/cli.md'), 'utf8')

/** Every `$` line of the page and what stands below it, in order. */
const shown = [...page.matchAll(/^```console\n(.*?)^```$/gms)].flatMap(([, block]) =>
  block!
    .split(/^(?=\$ )/m)
    .map((part) => ({ line: part.slice(0, part.indexOf('\n')), prints: part.slice(part.indexOf('\n') + 1).trimEnd() })),
)

/** Leaves out what differs from run to run: ages, times, this machine and what `doctor` advises for it. */
function settled(text: string): string {
  return text
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/\b\d+ (s|min|h|d)\b/g, '<age>')
    .replace(/^( *)(host|pid|user|node|platform|seconds|peakMemoryBytes|curio) .*$/gm, '$1$2')
    .replace(/^code .*$/gm, 'code')
    .replace(/^ {8,}→ .*\n?/gm, '')
    .replace(/^(\w+) +((?:[a-z]+ )+) .*$/gm, (line, status: string, name: string) =>
      ['ok', 'info', 'warn'].includes(status) ? name.trim() : line,
    )
    .replace(/ +/g, ' ')
}

let place: Place
beforeAll(async () => {
  place = await pageStore(page)
})
afterAll(() => place.remove())

describe('docs/cli.md', () => {
  it('shows the help of every command', () => {
    const lines = shown.map(({ line }) => line)
    expect(lines).toEqual(
      expect.arrayContaining(['$ curio --help', ...commands.map(({ name }) => `$ curio ${name} --help`)]),
    )
  })

  it.each(shown)('$line prints what the page says', async ({ line, prints }) => {
    const printed = (await runLine(place, line)).trimEnd().replaceAll(place.dir, '/home/you/project')
    expect(settled(printed)).toBe(settled(prints))
  })
})
