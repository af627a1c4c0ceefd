import { z } from 'zod'
import { CurioError } from '../errors.js'
import { byCodeUnit, canonical } from '../identity/canonical.js'
import { type Digest, isDigest, sha256 } from '../identity/digest.js'
import { checkArtifactName, checkExtension, checkRoles } from '../identity/path.js'
import type { BlobInfo } from './checksum.js'

/** The version of everything a store holds. */
export const formatVersion = 1

const maxEntry = 16 << 20
/** Lists of files longer than this become a blob of their own. */
const maxFiles = 1000
const maxFilesText = 256 << 10

/** One file of an artifact; `role` is its path, relative and with `/`, as its cacher wrote it. */
export interface ArtifactFile extends BlobInfo {
  readonly role: string
}

const digest = z.custom<Digest>(isDigest, 'not a SHA-256')
const size = z.int().nonnegative()
const file = z
  .object({ role: z.string(), bytes: size, sha256: digest, chunk: size.positive(), xxh64: z.string() })
  .refine((f) => f.xxh64.length === 16 * Math.max(1, Math.ceil(f.bytes / f.chunk)) && /^[0-9a-f]*$/.test(f.xxh64), {
    message: 'checksums do not cover the file',
  })
const files = z.array(file).superRefine((list, ctx) => agrees(ctx, () => checkRoles(list.map((f) => f.role))))

const artifact = z.object({
  name: z.string().superRefine((name, ctx) => agrees(ctx, () => checkArtifactName(name))),
  /** The registered name of the cacher that wrote it. */
  cacher: z.string(),
  /** Version of the cacher's code. */
  codec: z.int(),
  /** The cacher options that change how files are read. */
  options: z.record(z.string(), z.json()),
  /** What the cacher noted for itself. */
  extra: z.record(z.string(), z.json()),
  /** Extension of the main file. */
  extension: z.string().superRefine((text, ctx) => agrees(ctx, () => checkExtension(text))),
  digest,
  /** Total of its files. */
  bytes: size,
  preview: z.string().optional(),
  /** False: left out of full copies of a run. */
  track: z.boolean().optional(),
  /** More readable links: `[subdir, prefix]`. */
  view: z.object({ subdir: z.string().optional(), prefix: z.string().optional() }).optional(),
  files: files.optional(),
  list: z.object({ bytes: size, sha256: digest }).optional(),
})

const input = z.union([z.object({ artifact: digest, from: z.string().optional() }), z.object({ value: digest })])

const body = z
  .object({
    key: z.string(),
    hash: digest,
    material: z.string(),
    id: z.string().optional(),
    version: z.string().optional(),
    params: z.record(z.string(), z.string()).optional(),
    ignored: z.record(z.string(), z.string()).optional(),
    defaults: z.record(z.string(), z.string()).optional(),
    inputs: z.record(z.string(), input).optional(),
    code: z.object({ sha256: digest, tag: z.string() }).optional(),
    token: z.string().optional(),
    artifacts: z.array(artifact),
    provenance: z.record(z.string(), z.json()),
  })
  .refine((entry) => sha256(entry.material) === entry.hash, { message: 'hash and material disagree' })
  .refine((entry) => entry.artifacts.every((a) => (a.files === undefined) !== (a.list === undefined)), {
    message: 'an artifact needs files or a list',
  })

function agrees(ctx: z.RefinementCtx, check: () => unknown): void {
  try {
    check()
  } catch (error) {
    if (!CurioError.is(error)) throw error
    ctx.addIssue({ code: 'custom', message: error.message })
  }
}

/** An artifact as its entry describes it (docs/format.md). */
export type Artifact = Readonly<z.output<typeof artifact>>

/** What one computation committed (docs/format.md). */
export type Entry = Omit<Readonly<z.output<typeof body>>, 'artifacts'> & { readonly artifacts: readonly Artifact[] }

/** The digest that stands for an artifact in the keys of what is computed from it. */
export function artifactDigest(a: {
  readonly cacher: string
  readonly codec: number
  readonly options: object
  readonly extra: object
  readonly files: readonly ArtifactFile[]
}): Digest {
  const list = [...a.files].sort((x, y) => byCodeUnit(x.role, y.role)).map((f) => [f.role, f.bytes, f.sha256])
  return sha256(canonical(['curio-artifact-1', a.cacher, a.codec, a.options, a.extra, list]))
}

/** Whether a list of files must become a blob; its text if so. */
export function longList(list: readonly ArtifactFile[]): string | undefined {
  if (list.length * 200 < maxFilesText && list.length <= maxFiles) {
    if (list.every((f) => f.xxh64.length === 16)) return undefined
  }
  const text = JSON.stringify(list)
  return list.length > maxFiles || text.length > maxFilesText ? text : undefined
}

/** Reads a list of files that was stored as a blob; undefined when it is not one. */
export function parseList(bytes: Uint8Array): ArtifactFile[] | undefined {
  try {
    const result = files.safeParse(JSON.parse(Buffer.from(bytes).toString()))
    return result.success ? result.data : undefined
  } catch {
    return undefined
  }
}

/**
 * The text of `entry.json`.
 *
 * @throws {CurioError} for what no reader would take for an entry: it would be acknowledged, and lost.
 */
export function entryText(entry: Entry): string {
  const { error } = body.safeParse(entry)
  if (error !== undefined)
    throw new CurioError(`the entry of ${entry.key} cannot be read back: ${describeIssue(error)}`)
  const text = JSON.stringify(entry)
  if (text.length > maxEntry / 4 && Buffer.byteLength(text) > maxEntry - 200) {
    throw new CurioError(
      `the entry of ${entry.key} would have ${text.length} characters, more than ${maxEntry} bytes`,
      {
        hint: 'give parameters and extra metadata as files or inputs instead of values',
      },
    )
  }
  return `{"curio":"entry","format":${formatVersion},"sha256":"${sha256(`${formatVersion}:${text}`)}","entry":${text}}\n`
}

/** What stands at an entry's place. */
export type Found =
  | { readonly state: 'entry'; readonly entry: Entry; readonly text: string }
  | { readonly state: 'newer'; readonly format: number }
  | { readonly state: 'damaged'; readonly reason: string }

const frame = /^\{"curio":"entry","format":([1-9][0-9]{0,8}),"sha256":"([0-9a-f]{64})","entry":/

const maxKnown = 10_000
/** SHA-256 of texts that were found to be entries and nothing else: the same text is one again. */
const known = new Set<string>()

/** Reads the text of an `entry.json`. Never throws for what the text holds. */
export function parseEntry(bytes: Uint8Array): Found {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  const match = frame.exec(text)
  if (match === null || !text.endsWith('}\n')) return { state: 'damaged', reason: 'it is not an entry' }
  const format = Number(match[1])
  const json = text.slice(match[0].length, -2)
  // Hashed from the bytes: decoding would map damage in a character to the same replacement character.
  const start = match[0].length
  const hashed = Buffer.concat([Buffer.from(`${format}:`), bytes.subarray(start, bytes.byteLength - 2)])
  const hash = sha256(hashed)
  if (hash !== match[2]) return { state: 'damaged', reason: 'its hash differs' }
  if (format > formatVersion) return { state: 'newer', format }
  try {
    const data: unknown = JSON.parse(json)
    if (known.has(hash)) return { state: 'entry', entry: data as Entry, text }
    const result = body.safeParse(data)
    if (!result.success) return { state: 'damaged', reason: describeIssue(result.error) }
    // Fields of a later version are left out, each time.
    if (JSON.stringify(result.data).length === json.length) {
      if (known.size === maxKnown) known.clear()
      known.add(hash)
    }
    return { state: 'entry', entry: result.data as Entry, text }
  } catch (error) {
    return { state: 'damaged', reason: String(error) }
  }
}

function describeIssue({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join('.')}: ${issue?.message}`
}

export const maxEntryBytes = maxEntry
