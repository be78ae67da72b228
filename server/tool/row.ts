// What load and unload pass around: rows on their way between a text file and records. Readers and writers
// of formats (format/) make them; they know a definition, never how or where records are stored.

import type { RsyndError } from '../../shared/base/error.js';

/**
 * A row read: its record, or why it has none. `line` is where it begins, from 1. `doubt` says, without
 * content, why somebody should look at a record that is stored all the same.
 */
export type Row =
  | {
      readonly line: number;
      readonly record: Buffer;
      readonly doubt?: string | undefined;
      readonly error?: undefined;
    }
  | { readonly line: number; readonly error: RsyndError };

/** Input of a reader: a stream of bytes. */
export type ByteSource = AsyncIterable<Uint8Array>;

/** Makes rows of input. Rejects only when the rest of the input makes no sense either. */
export type RowReader = (input: ByteSource) => AsyncIterable<Row>;

/** Makes text of records. */
export interface RowWriter {
  /** What comes before the first record. */
  readonly head: string;
  /** Throws ERR_BADDATA for a record the format cannot carry without change. */
  write(record: Buffer): Buffer | string;
}
