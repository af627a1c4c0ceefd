/** Takes canonical text (docs/format.md) apart, without making values of it. */

/** The elements of `[a,b]`, each as its text; undefined for anything else. */
export function elementsOf(text: string): string[] | undefined {
  if (!text.startsWith('[') || !text.endsWith(']')) return undefined
  return split(text.slice(1, -1))
}

/** The members of `{"k":v,…}`, by name; undefined for anything else. */
export function membersOf(text: string): Map<string, string> | undefined {
  if (!text.startsWith('{') || !text.endsWith('}')) return undefined
  const parts = split(text.slice(1, -1))
  if (parts === undefined) return undefined
  const members = new Map<string, string>()
  for (const part of parts) {
    const name = /^"(?:[^"\\]|\\.)*"/.exec(part)?.[0]
    if (name === undefined || part[name.length] !== ':') return undefined
    members.set(JSON.parse(name) as string, part.slice(name.length + 1))
  }
  return members
}

/** Parts between the commas that stand in no string and no bracket; undefined when the text is not whole. */
function split(text: string): string[] | undefined {
  if (text === '') return []
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!
    if (character === '"') {
      for (i += 1; i < text.length && text[i] !== '"'; i++) if (text[i] === '\\') i += 1
    } else if ('[{('.includes(character) || (character === '<' && text.startsWith('Id', i - 2))) depth += 1
    else if (']})'.includes(character) || (character === '>' && text[i - 1] !== '=')) depth -= 1
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(start, i))
      start = i + 1
    }
    if (depth < 0) return undefined
  }
  return depth === 0 ? [...parts, text.slice(start)] : undefined
}

/** What the material of a stage's key consists of; undefined for other keys. */
export interface Material {
  readonly inputs: ReadonlyMap<string, string>
  /** Cacher and options of each output, as canonical text. */
  readonly outputs: ReadonlyMap<string, string>
  readonly params: ReadonlyMap<string, string>
  /** SHA-256 of the source; undefined when the code does not count. */
  readonly code: string | undefined
}

export function materialParts(material: string): Material | undefined {
  const parts = elementsOf(material)
  if (parts === undefined || parts[0] !== '"curio-key-1"') return undefined
  const [, , , params, inputs, outputs, code] = parts
  const maps = [params, inputs, outputs].map((text) => membersOf(text ?? ''))
  if (maps.includes(undefined)) return undefined
  return { params: maps[0]!, inputs: maps[1]!, outputs: maps[2]!, code: code?.replaceAll('"', '') }
}
