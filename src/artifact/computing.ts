/** Says on an error itself what was being computed when it was thrown: it is shown with it. The innermost stays. */
export function noteComputing(error: unknown, what: string): void {
  if (typeof error !== 'object' || error === null || !Object.isExtensible(error) || 'computing' in error) return
  Object.defineProperty(error, 'computing', { value: what, enumerable: true, configurable: true, writable: true })
}
