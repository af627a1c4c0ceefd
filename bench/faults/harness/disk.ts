/**
 * A model of a disk that loses power. From the calls a program made it tells what may be on the disk afterwards: what was synced
 * is there, what was not may be there, or its name without its bytes, or neither.
 */
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { Call } from './hooks.js'
import type { Random } from './random.js'

interface File {
  kind: 'file'
  data: Buffer
  /** What fdatasync made certain; undefined: nothing, not even the length. */
  synced: Buffer | undefined
}
interface Link {
  kind: 'link'
  target: string
}
interface Folder {
  kind: 'folder'
  names: Map<string, Node>
  /** The names that fsync of the folder made certain. */
  synced: Map<string, Node>
}
type Node = File | Link | Folder

/**
 * What is left of what was not synced. `all`: the process died, not the machine. `none`: no name and no byte. `names`: every name,
 * files empty. `zeros`: every name, files of the right length full of zeros. `some`: by chance, each name and each file.
 */
export type Loss = 'all' | 'none' | 'names' | 'zeros' | 'some'

export class Disk {
  readonly #root: Folder = { kind: 'folder', names: new Map(), synced: new Map() }

  constructor(readonly folder: string) {}

  /** Carries out a call that was recorded. */
  apply(call: Call): void {
    const { op, path: file, to } = call
    const { parent, name } = this.#place(file)
    const node = parent.names.get(name)
    if (op === 'mkdir') parent.names.set(name, { kind: 'folder', names: new Map(), synced: new Map() })
    else if (op === 'open' && call.creates && node === undefined) parent.names.set(name, newFile())
    else if (op === 'write') write(node as File, call)
    else if (op === 'append') {
      const grown = (node as File | undefined) ?? newFile()
      grown.data = Buffer.concat([grown.data, call.bytes!])
      parent.names.set(name, grown)
    } else if (op === 'fdatasync') (node as File).synced = Buffer.from((node as File).data)
    else if (op === 'fsync') {
      const dir = file === this.folder ? this.#root : (node as Folder)
      dir.synced = new Map(dir.names)
    } else if (op === 'symlink') parent.names.set(name, { kind: 'link', target: to! })
    else if (op === 'unlink' || op === 'rmdir') parent.names.delete(name)
    else if (op === 'link' || op === 'rename') {
      const other = this.#place(to!)
      // Renaming one link of a file over another of it does nothing.
      if (op === 'rename' && other.parent.names.get(other.name) === node) return
      other.parent.names.set(other.name, node!)
      if (op === 'rename') parent.names.delete(name)
    }
  }

  #place(file: string): { parent: Folder; name: string } {
    const parts = path.relative(this.folder, file).split(path.sep)
    let parent = this.#root
    for (const part of parts.slice(0, -1)) parent = parent.names.get(part) as Folder
    return { parent, name: parts.at(-1)! }
  }

  /** Makes what the disk may hold after a loss, at a new folder. */
  restore(at: string, loss: Loss, random: Random): void {
    fs.mkdirSync(at)
    const visit = (dir: Folder, at: string): void => {
      for (const [name, node] of namesAfter(dir, loss, random)) {
        const file = path.join(at, name)
        if (node.kind === 'link') fs.symlinkSync(node.target, file)
        else if (node.kind === 'file') fs.writeFileSync(file, dataAfter(node, loss, random))
        else {
          fs.mkdirSync(file)
          visit(node, file)
        }
      }
    }
    visit(this.#root, at)
  }
}

function newFile(): File {
  return { kind: 'file', data: Buffer.of(), synced: undefined }
}

function write(file: File, { bytes, position }: Call): void {
  const at = position ?? file.data.byteLength
  const grown = Buffer.alloc(Math.max(file.data.byteLength, at + bytes!.byteLength))
  file.data.copy(grown)
  grown.set(bytes!, at)
  file.data = grown
}

function namesAfter(dir: Folder, loss: Loss, random: Random): Map<string, Node> {
  if (loss === 'none') return dir.synced
  if (loss !== 'some') return dir.names
  const mixed = new Map<string, Node>()
  for (const name of new Set([...dir.synced.keys(), ...dir.names.keys()])) {
    const node = (random.next() < 0.5 ? dir.synced : dir.names).get(name)
    if (node !== undefined) mixed.set(name, node)
  }
  return mixed
}

function dataAfter({ data, synced }: File, loss: Loss, random: Random): Buffer {
  if (loss === 'all' || (loss === 'some' && random.next() < 0.4)) return data
  // What was written after the last sync is lost; before the first, the length may be there without the bytes.
  if (synced !== undefined) return synced
  return loss === 'zeros' || (loss === 'some' && random.next() < 0.5) ? Buffer.alloc(data.byteLength) : Buffer.of()
}
