/** A step from a value to one inside it; undefined where there is nothing to call it by. */
export type PathKey = string | number | undefined

/** A longer path is shown by its beginning and its end. */
const shownKeys = 20

/** `metrics.list[2].when` */
export function pathText(root: string, keys: readonly PathKey[]): string {
  const text = keys.map((key) => (key === undefined ? '' : typeof key === 'number' ? `[${key}]` : `.${key}`))
  if (text.length > shownKeys) text.splice(shownKeys / 2, text.length - shownKeys, '…')
  return root + text.join('')
}

/** A plain object or array made in another realm, such as a test runner's. */
export function isForeignPlain(prototype: object | null): boolean {
  if (prototype === null) return false
  const name: unknown = Object.hasOwn(prototype, 'constructor') ? prototype.constructor.name : undefined
  if (name === 'Object') return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'hasOwnProperty')
  return name === 'Array' && Array.isArray(prototype)
}

/** True when an index below the length has no element. */
export function hasHoles(value: readonly unknown[]): boolean {
  for (let i = 0; i < value.length; i++) if (value[i] === undefined && !(i in value)) return true
  return false
}
