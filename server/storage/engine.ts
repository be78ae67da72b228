// What a store must do for files of keyed records: small enough to implement on a page.
//
// It speaks of records and index entries, never of raw transactions: each step below is atomic over a
// record and all its indexes (one LMDB transaction here; one script on one shard when files live on
// Redis Cluster). It knows bytes and their order; what a key means is decided above, in isam/.
// A step that is answered is durable. LMDB answers reads at once, others later: `Answer<T>`.
//
// An index is an ordered list of entries. An entry's *place* is its bytes in that order:
//
//   unique key       place = key
//   key with dups    place = key ‖ insertion number      (LIFO: the complement), always the same length
//
// so the places of one file and key number are distinct, and memcmp order is read order. A channel's
// position is a place. All engines pass test/conformance/storage.ts; to add one, add it there.

import type { Answer } from '../../shared/base/answer.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { Rfa } from '../../shared/record/rfa.js';

export type Direction = 'forward' | 'reverse';

/**
 * A point between entries. `before`: ahead of every entry whose place begins with `prefix`;
 * `after`: behind all of them. An empty prefix with `before` is the start of the index, with `after`
 * its end. A whole place as prefix names the two sides of one entry.
 */
export interface Edge {
  readonly prefix: Uint8Array;
  readonly side: 'before' | 'after';
}

/** A record as it was found. `record` belongs to the caller. */
export interface StoredRecord {
  readonly rfa: Rfa;
  readonly record: Buffer;
  /** CRC-32 of `record`, as stored with it. */
  readonly crc: number;
}

export interface LocatedRecord extends StoredRecord {
  /** Where in the index it was found; perhaps the very bytes it was sought by: copy what is kept. */
  readonly place: Uint8Array;
}

/**
 * Index keys of a record, by key number, as shared/record/collate.ts makes them: an engine may make them again;
 * undefined where a null key leaves it out of that index.
 */
export type IndexKeys = readonly (Uint8Array | undefined)[];

/** A counter kept in the file: every number it gives is higher than all before, whichever process asks. */
export interface CounterOfFile {
  /** In the file for good. */
  readonly name: string;
  /** Its first number. */
  readonly seed: bigint;
  /** It leaves out what is below: times are counted from the clock on. */
  readonly atLeast?: bigint;
}

/**
 * A record about to be stored. Numbers for autokeys are taken inside the step, so that none is used
 * twice, whatever crashes, and the record and its keys are made from them there.
 */
export interface RecordDraft {
  /** The counters to take one number from, each. */
  readonly sequences: readonly CounterOfFile[];
  /**
   * Called inside the step, perhaps more than once; must be pure. The keys are good until that of another draft
   * of the file is called.
   */
  finish(numbers: readonly bigint[]): { readonly record: Uint8Array; readonly keys: IndexKeys };
}

export interface RecordChange {
  readonly rfa: Rfa;
  /** CRC of the record the old keys were made from; when it is no longer so the answer is `changed`. */
  readonly previousCrc: number;
  readonly record: Uint8Array;
  readonly oldKeys: IndexKeys;
  readonly newKeys: IndexKeys;
  /** Where the file stamps changes: what to store instead of `record`, under keys instead of `newKeys`. */
  readonly stamped?: RecordDraft;
}

export interface RecordRemoval {
  readonly rfa: Rfa;
  readonly previousCrc: number;
  readonly keys: IndexKeys;
}

/** `gone`: no record at this RFA. `changed`: another record content than the caller saw. */
export type ChangeOutcome =
  | {
      readonly crc: number;
      /** As it was stored, where that was stamped. */
      readonly record?: Uint8Array;
    }
  | 'changed'
  | 'gone';

export interface FileFacts {
  /** Records stored. */
  readonly records: number;
  /** Bytes of the file on its medium. */
  readonly bytes: number;
  /** Depth of each index tree, by key number. */
  readonly depths: readonly number[];
}

/**
 * Which records a scan visits, and how far it has come: `scan` moves `from` onwards (or, in stored
 * order, `rfa`), so that a later call goes on after the last record visited.
 */
export interface ScanCursor {
  /** A key number, or `stored` for the order of the data, which is the fastest. */
  readonly order: number | 'stored';
  readonly direction: Direction;
  /** Where to go on; ignored in stored order. */
  from: Edge;
  /** Where to stop, exclusive; ignored in stored order. */
  readonly until: Edge;
  /** Stored order only: the last record visited. */
  rfa?: Rfa;
  /** Stored order, forward, of a file with `unmapped`: `end` is ahead of this block. @default the end of the file */
  untilBlock?: number;
  /** `scan` adds the records it passed: those visited and those its filter said no to. */
  looked?: number;
}

/**
 * Sees one record as `bytes[start, end)`, which is valid during the call only. False stops the scan;
 * the record it returned false for counts as not visited and comes first next time.
 */
export type ScanVisitor = (
  bytes: Buffer,
  start: number,
  end: number,
  address: { readonly block: number; readonly slot: number },
) => boolean;

/**
 * Whether the record `bytes[start, end)` is to be visited. Asked before anything is copied: the bytes
 * are valid during the call only, and it must not read any file, nor throw.
 */
export type ScanFilter = (bytes: Buffer, start: number, end: number) => boolean;

/** One finding of `verify`. */
export interface Problem {
  readonly kind:
    | 'bad-block' // a block that cannot be read: its records are lost to stored-order scans
    | 'bad-crc' // a record whose bytes do not agree with its checksum
    | 'missing-entry' // a record that an index does not lead to
    | 'wrong-entry' // an index entry whose key is not that of its record
    | 'dangling-entry' // an index entry that leads to no record
    | 'wrong-count'; // counters that do not agree with what is there
  readonly key?: number;
  readonly rfa?: Rfa;
  readonly detail: string;
}

/** What verify and rebuild need to know of a record: its index keys. Throws when it cannot have any. */
export type KeysOfRecord = (record: Buffer) => IndexKeys;

/** How far a long walk is; called often, must be cheap. */
export type Progress = (done: number, total: number) => void;

export interface VerifyReport {
  readonly records: number;
  /** Entries per key number. */
  readonly entries: readonly number[];
}

/**
 * A committed state of a file, for who reads its blocks from the disk, past the engine. What was read was of that state
 * if that is the newest one still, afterwards: nothing of the newest state is ever written over.
 */
export interface UnmappedState {
  /** Real and absolute; leads to the file only if that has this device and inode: `DEVICE:INODE`. */
  readonly path: string;
  readonly identity: string;
  readonly transaction: number;
  /** The page in which the tree of blocks begins, and the last page of the state. */
  readonly blocksRoot: number;
  readonly lastPage: number;
  readonly blockBytes: number;
  /** What a slot has ahead of its record. */
  readonly overheadBytes: number;
  /** The number behind the last block that was ever used. */
  readonly nextBlock: number;
  /** Checksums under which blocks were proven, by block number: shared by all who read the file here. */
  readonly proven: Uint32Array<SharedArrayBuffer>;
}

/** What a scan with a helper needs (server/scan-helper), of a file whose states can be read past its engine. */
export interface Unmapped {
  /** The newest state; undefined when the file is damaged. */
  state(): UnmappedState | undefined;
  /** Whether nothing was committed since. */
  isNewest(state: UnmappedState): boolean;
}

/** An open file. All openers of one path in one process share one; `close` counts. */
export interface StoredFile {
  /** The definition as last read or set. */
  readonly spec: FileSpec;
  facts(): Answer<FileFacts>;
  /**
   * Reads from now on see all that any process has committed by now. Without it, what others commit
   * may show only in the next turn of the event loop.
   */
  renew(): Answer<void>;

  /** The first record on the far side of `edge` in `direction` along index `key`. */
  seek(key: number, edge: Edge, direction: Direction): Answer<LocatedRecord | undefined>;
  /** The first record whose key is exactly `value`, in duplicate order. The hottest call there is. */
  find(key: number, value: Uint8Array): Answer<LocatedRecord | undefined>;
  /** `deleted`: the address is in the file but holds no record. `invalid`: it never was one. */
  fetch(rfa: Rfa): Answer<StoredRecord | 'deleted' | 'invalid'>;
  /** Where the record at `rfa` stands in index `key`; undefined when the index leaves it out. */
  placeOf(key: number, rfa: Rfa, value: Uint8Array | undefined): Answer<Buffer | undefined>;

  /** Rejects with ERR_NODUPS, ERR_FILFUL, ERR_NOSPAC; then nothing was stored. */
  insert(draft: RecordDraft): Answer<StoredRecord>;
  /**
   * Many inserts in order, in as few commits as their bytes allow. Stops at the first that fails;
   * those before it are stored.
   */
  insertMany(drafts: readonly RecordDraft[]): Answer<{ stored: number; error?: unknown }>;
  /** A changed key of a key with dups goes to the end (LIFO: the start) of its new duplicates. */
  update(change: RecordChange): Answer<ChangeOutcome>;
  remove(removal: RecordRemoval): Answer<ChangeOutcome>;

  /**
   * Visits records until the visitor says false, the end, or about `recordsMax` were looked at. Those
   * that `filter` says no to are passed, and count as looked at.
   */
  scan(
    cursor: ScanCursor,
    visit: ScanVisitor,
    recordsMax: number,
    filter?: ScanFilter,
  ): Answer<'more' | 'end'>;

  /** Absent where no state can be read past the engine. */
  readonly unmapped?: Unmapped;

  /** Rewrites the header (the encryption flag, text); records are not touched. */
  setSpec(spec: FileSpec): Answer<void>;
  /** Removes all records; the definition stays. */
  clear(): Answer<void>;

  /** Checks every index against every record, both ways. `report` gets each problem as it is found. */
  verify(
    keysOf: KeysOfRecord,
    report: (problem: Problem) => void,
    progress?: Progress,
  ): Answer<VerifyReport>;
  /** Makes all indexes and counters anew from the records. RFAs and the order of duplicates stay. */
  rebuild(
    keysOf: KeysOfRecord,
    report: (problem: Problem) => void,
    progress?: Progress,
  ): Answer<VerifyReport>;

  /** False when its name leads elsewhere by now: another process put another file in its place. */
  isInPlace(): Answer<boolean>;

  close(): Answer<void>;
}

/** A place where files live. */
export interface StorageEngine {
  /** `lmdb`, `memory`. */
  readonly name: string;
  /** Makes an empty file. ERR_REPLAC when there is one, ERR_FNF when its directory is not there. */
  create(path: string, spec: FileSpec): Answer<void>;
  /** ERR_FNF, ERR_NOTISM, ERR_DAMAGED, ERR_PROTEC. */
  open(path: string): Answer<StoredFile>;
  exists(path: string): Answer<boolean>;
  /** Puts an empty file in the place of one nobody has open; a crash leaves the old or the new one. */
  replace(path: string, spec: FileSpec): Answer<void>;
  /** Deletes a file nobody has open. */
  remove(path: string): Answer<void>;
  /** Once in a while: frees what processes that died keep of the files open here. Answers how many did. */
  freeDeadReaders(): Answer<number>;
  close(): Answer<void>;
}
