// Every request and reply as a typed value. The codecs turn them into frames and back; a local channel
// hands them over as they are, so that both routes run the same operations.
//
// A request travels with a channel number (chosen by the client at `open`, unused otherwise and then 0)
// and a request id (chosen by the client, unique among its unanswered requests). Every request gets
// exactly one reply with the same two numbers, but: `scan` gets `data`… then `end` or `error`, `select`
// gets `data`…, `rows`… or `record`… then `selected` or `error`; `credit` and `cancel` get none of their
// own (they carry the id of the scan or select they are about).
// Requests of one channel are carried out in order; those of different channels need not be.

import type { ErrorCode } from '../base/error-code.js';
import type { FileSpec } from '../record/file-spec.js';
import type { Rfa } from '../record/rfa.js';
import type { Scalar } from '../select/expression.js';
import type { Plan, SelectQuery } from '../select/query.js';

export type OpenMode = 'input' | 'update' | 'output' | 'append';
/** `exclusive`: nobody else; `read`: others may only read; `all`: anybody. */
export type ShareMode = 'exclusive' | 'read' | 'all';
/** Locking of a channel: automatic locks on reads in update mode, or none. */
export type ChannelLock = 'auto' | 'none';
/** Locking of one read. */
export type ReadLock = 'auto' | 'manual' | 'none';
/** eq: this key (64 on a miss); geq, gen: it or the next; gtr: the next after it (1 when none is left). */
export type Match = 'eq' | 'geq' | 'gtr' | 'gen';
export type ReadDirection = 'forward' | 'reverse';

/** Where a read or find goes. Key values are bytes as in the record, segments one after another. */
export type ReadTarget =
  | { readonly by: 'key'; readonly key: number; readonly value: Uint8Array; readonly match: Match }
  | { readonly by: 'first' | 'last'; readonly key: number }
  /** `address` is an RFA or a GRFA. */
  | { readonly by: 'rfa'; readonly address: Uint8Array };

export interface HelloRequest {
  readonly verb: 'hello';
  /** Protocol version spoken, see version.ts. */
  readonly protocol: number;
  /** Name and version of the client program, for the log. */
  readonly software: string;
}
export interface LoginRequest {
  readonly verb: 'login';
  /** Absent: the server's default user, where it has one. */
  readonly user?: string;
  readonly password?: string;
}
export interface PingRequest {
  readonly verb: 'ping';
}
export interface OpenRequest {
  readonly verb: 'open';
  readonly name: string;
  readonly mode: OpenMode;
  readonly share: ShareMode;
  readonly lock: ChannelLock;
  /** Output mode only: the definition of a file that may not be there yet. */
  readonly spec?: FileSpec;
}
export interface CreateRequest {
  readonly verb: 'create';
  readonly name: string;
  readonly spec: FileSpec;
}
export interface CloseRequest {
  readonly verb: 'close';
}
export interface IsinfoRequest {
  readonly verb: 'isinfo';
  readonly request: string;
  readonly key: number;
  /** 1-based segment; absent means the whole key. */
  readonly segment?: number;
}
export interface ReadRequest {
  readonly verb: 'read';
  readonly target: ReadTarget;
  readonly lock: ReadLock;
  /** How long to wait for a lock; 0 answers ERR_LOCKED at once. */
  readonly waitMs: number;
}
export interface ReadsRequest {
  readonly verb: 'reads';
  readonly direction: ReadDirection;
  readonly lock: ReadLock;
  readonly waitMs: number;
}
export interface FindRequest {
  readonly verb: 'find';
  readonly target: ReadTarget;
  readonly lock: ReadLock;
  readonly waitMs: number;
}
/** Exact read that neither locks nor moves the position. Answered by `record` or `absent`. */
export interface GetRequest {
  readonly verb: 'get';
  readonly key: number;
  readonly value: Uint8Array;
}
export interface StoreRequest {
  readonly verb: 'store';
  readonly record: Uint8Array;
  /** `manual` keeps the new record locked. */
  readonly lock: 'none' | 'manual';
}
export interface StoreManyRequest {
  readonly verb: 'storeMany';
  readonly records: readonly Uint8Array[];
}
export interface WriteRequest {
  readonly verb: 'write';
  readonly record: Uint8Array;
  /** Absent: the current record. Else an RFA or GRFA. */
  readonly address?: Uint8Array;
}
export interface DeleteRequest {
  readonly verb: 'delete';
}
export interface UnlockRequest {
  readonly verb: 'unlock';
  /** Absent: the automatic lock of the channel. */
  readonly rfa?: Uint8Array;
}
/** A stream of records without locks and without moving the position. */
export interface ScanRequest {
  readonly verb: 'scan';
  /** Key number, or `stored` for the order of the data. */
  readonly order: number | 'stored';
  readonly direction: ReadDirection;
  /** Bytes of `data` the client is ready to take; more by `credit`. */
  readonly credit: number;
}
/** What is to be done with the records a query finds. */
export type SelectAction = 'read' | 'count' | 'delete' | 'explain';
/** What becomes of a record that somebody else has locked: ERR_LOCKED, left out, or waited for. */
export type OnLocked = 'fail' | 'skip' | 'wait';
/** A question about the records of a file; see shared/select/query.ts. */
export interface SelectRequest {
  readonly verb: 'select';
  readonly action: SelectAction;
  readonly query: SelectQuery;
  /**
   * `read` in update mode: each record is locked, becomes the current one and comes in a `record` of
   * its own; the next one, and the end, free it again unless it was unlocked or written before.
   */
  readonly locking: boolean;
  /** With `locking` and `delete`. */
  readonly onLocked: OnLocked;
  /** How long to wait for one record with `wait`. */
  readonly waitMs: number;
  /** Bytes of `data` or `rows` the client is ready to take; with `locking`, records. */
  readonly credit: number;
}
export interface CreditRequest {
  readonly verb: 'credit';
  readonly bytes: number;
}
/** Ends the request whose id it carries (a scan, a lock wait); that one is answered with ERR_ABORTED. */
export interface CancelRequest {
  readonly verb: 'cancel';
}

export type Request =
  | HelloRequest
  | LoginRequest
  | PingRequest
  | OpenRequest
  | CreateRequest
  | CloseRequest
  | IsinfoRequest
  | ReadRequest
  | ReadsRequest
  | FindRequest
  | GetRequest
  | StoreRequest
  | StoreManyRequest
  | WriteRequest
  | DeleteRequest
  | UnlockRequest
  | ScanRequest
  | SelectRequest
  | CreditRequest
  | CancelRequest;

export interface HelloReply {
  readonly verb: 'hello';
  readonly protocol: number;
  readonly software: string;
  /** The server sends a ping when it has heard nothing for so long, and closes after twice as long. */
  readonly heartbeatMs: number;
}
export interface LoginReply {
  readonly verb: 'login';
  /** The user the session acts as, for good. */
  readonly user: string;
}
export interface PingReply {
  readonly verb: 'ping';
}
export interface PongReply {
  readonly verb: 'pong';
}
export interface OpenReply {
  readonly verb: 'open';
  readonly spec: FileSpec;
}
export interface DoneReply {
  readonly verb: 'done';
}
export interface ValueReply {
  readonly verb: 'value';
  readonly value: number | string;
}
export interface RecordReply {
  readonly verb: 'record';
  readonly rfa: Rfa;
  readonly crc: number;
  /** The channel holds a lock on it. */
  readonly locked: boolean;
  readonly record: Uint8Array;
}
/** `get` found nothing, or `reads` is at an end. */
export interface AbsentReply {
  readonly verb: 'absent';
}
/** `find`, `store` and `write` answer with the address only. */
export interface StoredReply {
  readonly verb: 'stored';
  readonly rfa: Rfa;
  readonly crc: number;
  readonly locked: boolean;
}
export interface StoredManyReply {
  readonly verb: 'storedMany';
  /** How many are stored, from the first on. */
  readonly stored: number;
  /** Why the next one was not. */
  readonly error?: ErrorReply;
}
export interface DataReply {
  readonly verb: 'data';
  /** Length of every record in `records`; 0 when each is preceded by its length, 4 bytes big-endian. */
  readonly recordLength: number;
  readonly records: Uint8Array;
  /**
   * The same records behind `DATA_ROOM_BYTES` that are free, where the maker left them: the frame is then made
   * in place and leaves in one write. Not on the wire.
   */
  readonly roomy?: Buffer;
}
/** The scan is complete. */
export interface EndReply {
  readonly verb: 'end';
  readonly records: number;
}
/** Groups of a select: the values of its fields, then of its aggregates. `null`: nothing to compute. */
export interface RowsReply {
  readonly verb: 'rows';
  readonly rows: readonly (readonly (Scalar | null)[])[];
}
/** The select is complete, or stopped where its budget ended. */
export interface SelectedReply {
  readonly verb: 'selected';
  /** Records, pairs or groups sent; counted; or deleted. */
  readonly records: number;
  /** Records looked at. */
  readonly scanned: number;
  /** Which budget ended it, and where a query with the same text goes on. */
  readonly stopped?: { readonly budget: 'maxScan' | 'maxMs'; readonly resume: Uint8Array };
  /** With the action `explain`, and where a budget ended it. */
  readonly plan?: Plan;
}
export interface ErrorReply {
  readonly verb: 'error';
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly file?: string;
}

export type Reply =
  | HelloReply
  | LoginReply
  | PingReply
  | PongReply
  | OpenReply
  | DoneReply
  | ValueReply
  | RecordReply
  | AbsentReply
  | StoredReply
  | StoredManyReply
  | DataReply
  | EndReply
  | RowsReply
  | SelectedReply
  | ErrorReply;
