/** Types of frames, from types of rows. */
import type * as arrow from 'apache-arrow'

/** The Arrow type of a column whose rows hold `T`. */
export type ArrowTypeOf<T> = 0 extends 1 & T
  ? arrow.DataType
  : [NonNullable<T>] extends [never]
    ? arrow.DataType
    : [NonNullable<T>] extends [string]
      ? arrow.Utf8
      : [NonNullable<T>] extends [number]
        ? arrow.Float64
        : [NonNullable<T>] extends [bigint]
          ? arrow.Int64
          : [NonNullable<T>] extends [boolean]
            ? arrow.Bool
            : [NonNullable<T>] extends [Date]
              ? arrow.TimestampMillisecond
              : [NonNullable<T>] extends [Uint8Array]
                ? arrow.Binary
                : [NonNullable<T>] extends [readonly (infer Item)[]]
                  ? arrow.List<ArrowTypeOf<Item>>
                  : arrow.DataType

/** A table whose rows are `Row`. Without a row type, one of any columns. */
export type TableOf<Row extends object> = [keyof Row] extends [never]
  ? arrow.Table
  : string extends keyof Row
    ? arrow.Table
    : arrow.Table<{ [K in keyof Row & string]: ArrowTypeOf<Row[K]> }>
