import type { CacherSpec } from '../artifact/cacheable.js'
import type { Lazy as LazyHandle } from '../artifact/lazy.js'
import { refuseUnknown } from '../errors.js'
import type { AnyCacherSpec, LazyName, LazyOutput } from './types.js'

/** An output that is stored and then kept out of memory until it is touched. Without a cacher it gets `MsgpackCacher`. */
export function lazy<C extends AnyCacherSpec | undefined = undefined>(
  cacher?: C,
): LazyOutput<C extends CacherSpec ? C : undefined, true>
/** @param options `resolve: false`: consumers get the handle itself, for its path or to load it when they like. Default true. */
export function lazy<C extends AnyCacherSpec | undefined, const R extends boolean>(
  cacher: C,
  options: { readonly resolve: R },
): LazyOutput<C extends CacherSpec ? C : undefined, R>
export function lazy(cacher?: AnyCacherSpec, options: { readonly resolve?: boolean } = {}): LazyOutput {
  refuseUnknown('lazy', options, ['resolve'])
  return { lazy: true, cacher, resolve: options.resolve ?? true }
}

interface DeclareLazy {
  <const N extends string>(name: N): LazyName<N, true>
  <const N extends string, const R extends boolean>(name: N, options: { readonly resolve: R }): LazyName<N, R>
}

/** A handle on an artifact that has not been loaded. */
export type Lazy<T = unknown> = LazyHandle<T>

/** `lazy` in the positional form: `outputs: ['small', Lazy('large')]`. */
export const Lazy = ((name: string, options: { readonly resolve?: boolean } = {}): LazyName => {
  refuseUnknown('Lazy', options, ['resolve'])
  return { lazy: true, name, cacher: undefined, resolve: options.resolve ?? true }
}) as DeclareLazy
