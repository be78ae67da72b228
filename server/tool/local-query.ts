// Asks one file of this machine a question: the same requests as a client sends, handed to a session of this
// process. Used by isutl; frames are taken as they come, and credit is given back for them.

import { errorFromWire, RsyndError } from '../../shared/base/error.js';
import { streamCreditBytes } from '../../shared/base/limits.js';
import type { QueriedFile } from '../../shared/cli/query-command.js';
import type {
  DataReply,
  Reply,
  Request,
  SelectAction,
  SelectedReply,
  SelectRequest,
} from '../../shared/protocol/message.js';
import { creditOfRows } from '../../shared/protocol/select.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { Plan, SelectQuery } from '../../shared/select/query.js';
import type { EmbeddedSession } from '../embedded.js';

const CHANNEL = 1;
const LENGTH_BYTES = 4;

/** An open file. The session belongs to it alone, and is the caller's to close. */
export class LocalQuery implements QueriedFile {
  readonly spec: FileSpec;
  readonly layout = 'packed';
  readonly #session: EmbeddedSession;
  readonly #name: string;
  #requests = 1;

  private constructor(session: EmbeddedSession, name: string, spec: FileSpec) {
    this.#session = session;
    this.#name = name;
    this.spec = spec;
  }

  /** ERR_FNF, ERR_NOTISM, ERR_DAMAGED, ERR_FINUSE, ERR_NETCRYPT. */
  static async open(session: EmbeddedSession, name: string): Promise<LocalQuery> {
    const request = { verb: 'open', name, mode: 'input', share: 'all', lock: 'none' } as const;
    const reply = await new Promise<Reply>((resolve) =>
      session.handle(CHANNEL, 1, request, resolve),
    );
    if (reply.verb !== 'open') throw unexpected(reply, name);
    return new LocalQuery(session, name, reply.spec);
  }

  async *records(query: SelectQuery): AsyncGenerator<Buffer, void> {
    for await (const frame of this.#frames(query)) {
      if (frame.verb !== 'data') throw unexpected(frame, this.#name);
      yield* recordsOf(frame);
    }
  }

  async *groups(query: SelectQuery): AsyncGenerator<readonly unknown[], void> {
    for await (const frame of this.#frames(query)) {
      if (frame.verb !== 'rows') throw unexpected(frame, this.#name);
      yield* frame.rows;
    }
  }

  async count(query: SelectQuery): Promise<number> {
    return (await this.#ask('count', query)).records;
  }

  async explain(query: SelectQuery): Promise<Plan> {
    const selected = await this.#ask('explain', query);
    if (selected.plan === undefined) throw unexpected(selected, this.#name);
    return selected.plan;
  }

  async #ask(action: SelectAction, query: SelectQuery): Promise<SelectedReply> {
    const reply = await new Promise<Reply>((resolve) =>
      this.#session.handle(CHANNEL, ++this.#requests, requestOf(action, query), resolve),
    );
    if (reply.verb === 'selected') return reply;
    throw unexpected(reply, this.#name);
  }

  /** Leaving early cancels the select. */
  async *#frames(query: SelectQuery): AsyncGenerator<Reply, void> {
    const inbox = new Inbox();
    const id = ++this.#requests;
    const tell = (request: Request, take: (reply: Reply) => void = () => {}) =>
      this.#session.handle(CHANNEL, id, request, take);
    tell(requestOf('read', query), (reply) => inbox.put(reply));
    let isOver = false;
    try {
      while (!isOver) {
        const reply = await inbox.next();
        isOver = reply.verb !== 'data' && reply.verb !== 'rows';
        if (reply.verb === 'selected') return;
        yield reply;
        if (!isOver) tell({ verb: 'credit', bytes: creditOf(reply) });
      }
    } finally {
      if (!isOver) tell({ verb: 'cancel' });
    }
  }
}

/** Replies that wait for their reader; credit bounds them. */
class Inbox {
  readonly #replies: Reply[] = [];
  #wake: (() => void) | undefined;

  put(reply: Reply): void {
    this.#replies.push(reply);
    this.#wake?.();
  }

  async next(): Promise<Reply> {
    for (;;) {
      const reply = this.#replies.shift();
      if (reply !== undefined) return reply;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

const requestOf = (action: SelectAction, query: SelectQuery): SelectRequest => ({
  verb: 'select',
  action,
  query,
  locking: false,
  onLocked: 'fail',
  waitMs: 0,
  credit: streamCreditBytes,
});

function creditOf(reply: Reply): number {
  if (reply.verb === 'data') return reply.records.length;
  return reply.verb === 'rows' ? creditOfRows(reply.rows) : 0;
}

function* recordsOf({ recordLength, records }: DataReply): Generator<Buffer, void> {
  const bytes = Buffer.from(records.buffer, records.byteOffset, records.length);
  for (let start = 0; start < bytes.length; ) {
    const isPrefixed = recordLength === 0;
    const length = isPrefixed ? bytes.readUInt32BE(start) : recordLength;
    if (isPrefixed) start += LENGTH_BYTES;
    yield bytes.subarray(start, start + length);
    start += length;
  }
}

function unexpected(reply: Reply, file: string): RsyndError {
  if (reply.verb !== 'error') return new RsyndError('ERR_PROTOCOL', `${reply.verb} came`, { file });
  const { code, message, retryable } = reply;
  return errorFromWire(code, message, { retryable, file: reply.file ?? file });
}
