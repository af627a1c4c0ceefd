/** curio's own cachers: one for each kind of value and file. */
export { ArrowCacher } from './arrow.js'
export { BytesCacher, type BytesLike } from './bytes.js'
export type { CallableCacher } from './common.js'
export { CsvCacher, type CsvOptions, type CsvReadOptions, type CsvWriteOptions } from './csv.js'
export {
  type Directory,
  DirectoryCacher,
  type DirectoryCacherConstructor,
  type DirectoryLike,
  type DirectoryOptions,
} from './directory.js'
export { type FilePaths, type FileReference, FileReferenceCacher } from './file-reference.js'
export type { FrameCacherOf, FrameConstructor, FrameOptions } from './frame/base.js'
export { rowsOf, tableOf } from './frame/rows.js'
export type { FrameLike } from './frame/table.js'
export type { ArrowTypeOf, TableOf } from './frame/types.js'
export { FrameCacher, type FrameCacherOptions, type FrameFormat } from './frame.js'
export { JsonCacher, type JsonCacherConstructor, type JsonOptions } from './json.js'
export { JsonFrameCacher, type JsonFrameOptions } from './json-frame.js'
export { type ClassOptions, MsgpackCacher, type MsgpackCacherConstructor, registerClass } from './msgpack.js'
export {
  type CellLike,
  type CodeCell,
  type MarkdownCell,
  type Notebook,
  NotebookCacher,
  type NotebookCell,
  type NotebookJson,
  type NotebookLike,
  type NotebookOutput,
  type NotebookSource,
  type RawCell,
} from './notebook.js'
export { ParquetCacher, type ParquetOptions, type ParquetReadOptions, type ParquetWriteOptions } from './parquet.js'
export {
  SafetensorsCacher,
  type SafetensorsCacherConstructor,
  type SafetensorsOptions,
  type Tensors,
  type TensorsLike,
} from './safetensors.js'
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
