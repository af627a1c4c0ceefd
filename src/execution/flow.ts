/** The user's code of one step, over values as they come: one result for each. */
import { noteComputing } from '../artifact/computing.js'
import { BatchProtocolError } from '../errors.js'
import { type Node, nameOf } from './node.js'
import { isIterable } from './results.js'

/** Results of one step, as values come. */
export async function* computed(
  node: Node,
  values: AsyncIterable<unknown> | Iterable<unknown>,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown> {
  if (node.computeBatch !== undefined) {
    yield* batched(node, values, signal)
    return
  }
  for await (const value of values) {
    signal?.throwIfAborted()
    let result: unknown
    try {
      result = await node.compute!(value)
    } catch (error) {
      noteComputing(error, `${nameOf(node)}.compute`)
      throw error
    }
    yield result
  }
}

/**
 * The same of code that takes many: whatever comes after it in a chain, one result too many or too few would be another value's.
 *
 * @throws {BatchProtocolError} when there is not exactly one result for each value, after it was taken.
 */
async function* batched(
  node: Node,
  values: AsyncIterable<unknown> | Iterable<unknown>,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown> {
  const where = `${nameOf(node)}.computeBatch`
  const source = Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]()
  let [taken, given, isAll] = [0, 0, false]
  const next = async (): Promise<IteratorResult<unknown>> => {
    const item = isAll ? { value: undefined, done: true as const } : await source.next()
    if (item.done === true) isAll = true
    else taken += 1
    return item
  }
  // Left early it stays open: whether there was more tells whether results are missing.
  const feed = { [Symbol.asyncIterator]: () => ({ next }) }
  try {
    const made: unknown = node.computeBatch!(feed)
    if (!isIterable(made)) throw new BatchProtocolError(where, `gave ${String(made)}, no results one by one`)
    for await (const result of made) {
      signal?.throwIfAborted()
      if (given === taken) {
        throw new BatchProtocolError(
          where,
          isAll ? `gave more results than its ${taken} values` : `gave a result before it took value ${given + 1}`,
        )
      }
      given += 1
      yield result
    }
    if (given < taken) throw new BatchProtocolError(where, `took ${taken} values and gave ${given} results`)
    if (!isAll && (await source.next()).done !== true) {
      throw new BatchProtocolError(where, `ended after ${given} values, and there were more`)
    }
  } catch (error) {
    noteComputing(error, where)
    throw error
  } finally {
    await source.return?.()
  }
}
