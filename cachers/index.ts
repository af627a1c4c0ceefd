/** curio's own cachers: one for each kind of value and file. */
export { BytesCacher, type BytesLike } from './bytes.js'
export type { CallableCacher } from './common.js'
export { type FilePaths, type FileReference, FileReferenceCacher } from './file-reference.js'
export { JsonCacher, type JsonCacherConstructor, type JsonOptions } from './json.js'
export { type ClassOptions, MsgpackCacher, type MsgpackCacherConstructor, registerClass } from './msgpack.js'
export {
  type DType,
  type Tensor,
  type TensorArray,
  type TensorArrays,
  TensorCacher,
  type TensorCacherConstructor,
  type TensorLike,
  type TensorOptions,
} from './tensor.js'
export { TextCacher } from './text.js'
