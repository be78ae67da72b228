// What a file is: its record, keys, fields and flags. Everybody's common form: XDL, repository, ISAMC
// strings and defineFile() are turned into it, the header of a file stores it, OPEN returns it.
// Offsets are 0-based here; the field's 1-based START exists only in XDL and ISAMC text.
//
// Stored on disk and sent on the wire (as MessagePack maps of these names): add, never rename.

/** How the bytes of a key segment compare. `sequence`, `timestamp`, `ctimestamp` are filled in by the file. */
export type SegmentType =
  | 'alpha'
  | 'nocase'
  | 'decimal'
  | 'integer'
  | 'unsigned'
  | 'sequence'
  | 'timestamp'
  | 'ctimestamp';

export type SegmentOrder = 'ascending' | 'descending';

export interface SegmentSpec {
  /** 0-based byte offset in the record. */
  readonly offset: number;
  /** Bytes. Integers 1-8; autokeys 8. */
  readonly length: number;
  readonly type: SegmentType;
  readonly order: SegmentOrder;
}

/** `none`: duplicates are refused (54). `fifo`: inserted after the others; `lifo`: before them. */
export type Duplicates = 'none' | 'fifo' | 'lifo';

/**
 * When a record is left out of an index.
 * `replicate`: every byte of the key is the null byte. `noreplicate`: the key begins with the null
 * value and goes on blank (numeric: is zero). `short`: the record ends before the key does.
 */
export interface NullKeySpec {
  readonly kind: 'replicate' | 'noreplicate' | 'short';
  /** VALUE_NULL; default a blank for alpha and nocase, zero for numbers. */
  readonly value?: string;
}

export interface KeySpec {
  /** Unique in the file, compared case-blind. `KEY0` … when the definition gave none. */
  readonly name: string;
  readonly segments: readonly SegmentSpec[];
  readonly dups: Duplicates;
  readonly modifiable: boolean;
  readonly nullKey?: NullKeySpec;
  /** Kept for XDL output; our index decides for itself. */
  readonly density?: number;
}

/** How a field's bytes become a value (see field-codec.ts). */
export type FieldType =
  | 'alpha' // text, blank-padded, latin1
  | 'decimal' // zoned digits, sign in the last byte; `precision` digits are behind the point
  | 'integer' // signed, little-endian, 1, 2, 4 or 8 bytes (any 1-8 accepted)
  | 'unsigned' // the same without sign
  | 'date' // zoned digits in `format`
  | 'time' // zoned digits HHMM or HHMMSS
  | 'boolean' // one digit or byte, 0 is false
  | 'binary'; // bytes as they are

export interface FieldSpec {
  readonly name: string;
  readonly type: FieldType;
  /** 0-based byte offset in the record. */
  readonly offset: number;
  /** Bytes of one element. */
  readonly length: number;
  /** Implied decimal places; only with `decimal`. */
  readonly precision?: number;
  /** Storage of a date or time: YYYYMMDD, YYMMDD, YYYYJJJ, YYJJJ, YYYYPP, YYPP, HHMM, HHMMSS. */
  readonly format?: string;
  /** Elements of an array field, in row-major order; absent for a scalar. */
  readonly dimension?: readonly number[];
  /** True for fields that only overlay others (repository groups with an overlay). */
  readonly overlay?: boolean;
  readonly description?: string;
}

export type RecordFormat = 'fixed' | 'multiple' | 'variable';

export interface RecordSpec {
  /** Bytes of every record (fixed) or of the longest (multiple, variable). */
  readonly size: number;
  readonly format: RecordFormat;
}

/**
 * Words of XDL and ISAMC that a user may state and will want back. Those that change nothing in our
 * storage are kept as they were said; the ones obeyed are named so.
 */
export interface FileAttributes {
  /** 32, 40 or 48 (TBYTE); kept. */
  readonly addressing?: 32 | 40 | 48;
  /** Kept. */
  readonly pageSize?: number;
  /** Kept. */
  readonly density?: number;
  /** Kept. */
  readonly compressData?: boolean;
  /** Obeyed by nature: RFAs are always static. */
  readonly staticRfa?: boolean;
  /** Obeyed by nature: the CRC-32 is always stored. */
  readonly storedGrfa?: boolean;
  /** Kept. */
  readonly trackChanges?: boolean;
  /** Obeyed by nature: deleted bytes are overwritten when their block is rewritten. */
  readonly eraseOnDelete?: boolean;
  /** Kept. */
  readonly rollback?: boolean;
  /** Obeyed by nature: a commit holds record and indexes together. */
  readonly resilient?: boolean;
  readonly fullResilient?: boolean;
  /** MB; obeyed: ERR_FILFUL past it. */
  readonly sizeLimit?: number;
  /** Records; obeyed: ERR_FILFUL past it. */
  readonly recordLimit?: number;
  /** Kept. */
  readonly textAllocation?: number;
  /** PORT_INT / I=pos:len: non-key integers, 0-based; kept. */
  readonly portableIntegers?: readonly { readonly offset: number; readonly length: number }[];
}

export interface FileSpec {
  readonly record: RecordSpec;
  /** 1-255; the index is the number of the key of reference, 0 the primary key. */
  readonly keys: readonly KeySpec[];
  /** Empty when the definition names no fields; then a record is its bytes. */
  readonly fields: readonly FieldSpec[];
  /** The file insists: no unencrypted remote route may open it. */
  readonly networkEncrypt: boolean;
  /** Free header text (TEXT). */
  readonly text: string;
  readonly attributes: FileAttributes;
  /** First value of sequence autokeys by key number (SEED); default 1. */
  readonly seeds?: { readonly [keyNumber: number]: number };
}

/** Bytes of a key: the sum of its segments. */
export const keyLength = (key: KeySpec): number =>
  key.segments.reduce((sum, segment) => sum + segment.length, 0);

export const isAutokeyType = (type: SegmentType): boolean =>
  type === 'sequence' || type === 'timestamp' || type === 'ctimestamp';
