/** What a cacher's samples look like as files, so that two processes can compare. Run with the URL of a case's module, it prints that. */
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import type { CacherCase } from './cacher.js'

/** By sample: the names of its files, with the SHA-256 of each. */
export async function savedDigests<Loaded, Saved>(
  spec: Pick<CacherCase<Loaded, Saved>, 'cacher' | 'samples'>,
): Promise<Record<string, Record<string, string>>> {
  const found: Record<string, Record<string, string>> = {}
  for (const { label, make } of spec.samples) {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'curio-bytes-'))
    try {
      const { extension } = spec.cacher()
      await spec.cacher(path.join(dir, `value${extension}`)).save(make())
      const files = fs.readdirSync(dir, { recursive: true }).map(String).sort()
      found[label] = Object.fromEntries(
        files
          .filter((file) => fs.statSync(path.join(dir, file)).isFile())
          .map((file) => [
            file,
            createHash('sha256')
              .update(fs.readFileSync(path.join(dir, file)))
              .digest('hex'),
          ]),
      )
    } finally {
      fs.rmSync(dir, { recursive: true, force: true })
    }
  }
  return found
}

if (process.argv[1] !== undefined && fs.realpathSync(process.argv[1]) === import.meta.filename) {
  const { default: spec } = (await import(process.argv[2]!)) as { default: CacherCase }
  console.log(JSON.stringify(await savedDigests(spec)))
}
