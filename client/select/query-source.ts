// What a channel lends its queries: the way to the server, what the file is, and a hand on the current
// record. Made by opened-channel.ts, used by channel-query.ts and query-run.ts.

import type { RecordReply } from '../../shared/protocol/message.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { Rfa } from '../../shared/record/rfa.js';
import type { RecordShape } from '../channel/record-shape.js';
import type { CallOptions, Link } from '../connection/link.js';

export interface QuerySource<R> {
  readonly link: Link;
  /** Of the channel. */
  readonly number: number;
  /** Of the file, as the caller wrote it. */
  readonly name: string;
  /** The file as it is. */
  readonly spec: FileSpec;
  /** What the caller thinks it is. */
  readonly definition: FileSpec | undefined;
  readonly shape: RecordShape<R>;
  /** Update mode with locks. */
  readonly canLock: boolean;
  /** Budget and way out of its calls. */
  readonly limits: CallOptions;
  /** ERR_NOOPEN after close(). */
  requireOpen(): void;
  /** A locked record has come: it is the current one. */
  arrive(record: RecordReply): void;
  /** The select is over, and its last record not locked by it any more. */
  leave(rfa: Rfa): void;
}
