const stepMark = Symbol.for('curio.step')

/** Marks a class whose instances are steps. */
export function markStep(Class: object): void {
  Object.defineProperty((Class as { prototype: object }).prototype, stepMark, { value: true })
}

/** True for a step, of this copy of the package or another. */
export function isStep(value: unknown): value is object {
  return typeof value === 'object' && value !== null && stepMark in value
}
