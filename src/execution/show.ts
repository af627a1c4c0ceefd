import { describe } from '../identity/canonical.js'
import { madeFrom } from '../identity/config.js'
import { sequence } from '../identity/marks.js'
import { isStep } from './marks.js'
import type { Node } from './node.js'

const longestValue = 40

/** A step as text, with what it was made from; of a chain, as a tree. */
export function shown(node: Node, name = '', indent = ''): string {
  const { infra } = node
  const where = infra.keeps
    ? `  [${infra.cluster === 'inline' ? 'cached' : infra.cluster}: ${infra.folder ?? 'in memory'}]`
    : ''
  const label = name === '' ? '' : `${name}: `
  const parts = node[sequence]
  const line = `${indent}${label}${node.constructor.name}${parts === undefined ? fieldsOf(node) : ''}${where}`
  if (parts === undefined) return line
  const { steps } = node as unknown as { readonly steps: object }
  const names = Array.isArray(steps) ? [] : Object.keys(steps)
  return [line, ...parts.map((part, i) => shown(part, names[i], `${indent}  `))].join('\n')
}

function fieldsOf(node: Node): string {
  const { infra: _, ...fields } = madeFrom(node, (nested) =>
    isStep(nested) ? `${nested.constructor.name}(…)` : undefined,
  )
  const texts = Object.entries(fields).map(([name, value]) => {
    const text = describe(value)
    return `${name}=${text.length > longestValue ? `${text.slice(0, longestValue)}…` : text}`
  })
  return texts.length === 0 ? '' : `(${texts.join(', ')})`
}
