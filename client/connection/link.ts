// What a channel needs of the way to its file: ask, stream, and know what protects the way. There are two,
// a socket (remote-link.ts) and the same process (../local.ts); both keep their books in exchange.ts.

import type {
  DataReply,
  RecordReply,
  Reply,
  Request,
  RowsReply,
  ScanRequest,
  SelectedReply,
  SelectRequest,
} from '../../shared/protocol/message.js';

/** What GETFA answers about a channel. */
export interface LinkSecurity {
  /** 1 when every byte on the way is encrypted. */
  readonly sle: 0 | 1;
  /** The cipher in use, in the words of CONTRACT 5; empty when `sle` is 0. */
  readonly slc: string;
}

export interface CallOptions {
  /** Budget of the call; lock waits in the request come on top. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Name of the file, for errors. */
  readonly file?: string | undefined;
  /** Sees the reply of a call that was given up before it came. */
  readonly onLate?: ((reply: Reply) => void) | undefined;
}

/** What a select brings; `selected` is the last. */
export type SelectFrame = DataReply | RowsReply | RecordReply | SelectedReply;

export interface Link {
  /** Host as the caller named it; empty for files of this machine. */
  readonly host: string;
  readonly security: LinkSecurity;
  /** False from the moment nothing can be asked any more. */
  readonly isOpen: boolean;
  /** A number for a channel about to be opened. ERR_CHNEXC when all are in use. */
  takeChannel(): number;
  /** Gives the number back once the server has closed the channel. */
  freeChannel(channel: number): void;
  /** Rejects with the server's error, ERR_TIMEOUT, ERR_ABORTED, ERR_NETPROB or ERR_NOOPEN. */
  call(request: Request, channel: number, options: CallOptions): Promise<Reply>;
  /** As `call`, for what `read` makes of the reply; rejects with what `read` throws. */
  callFor<T>(
    request: Request,
    channel: number,
    options: CallOptions,
    read: (reply: Reply) => T,
  ): Promise<T>;
  /** Asks when the first frame is asked for. `timeoutMs` is the budget of each wait for a frame. */
  stream(
    request: ScanRequest,
    channel: number,
    options: CallOptions,
  ): AsyncIterableIterator<DataReply>;
  /**
   * As `stream`, for a query whose action is `read`. A locking one brings a record whenever the next
   * frame is asked for, and never ahead of that. Its `waitMs` comes on top of each wait.
   */
  select(
    request: SelectRequest,
    channel: number,
    options: CallOptions,
  ): AsyncIterableIterator<SelectFrame>;
  /** Idempotent. What is unanswered rejects with ERR_NOOPEN. */
  close(): Promise<void>;
}
