// A channel over a link: turns each call into one request, keeps track of the current record, and gives the
// link back when it is closed. Whether the link is a socket or this process it does not know.
//
//   open ──close()──▶ closed        (a link that dies does not close it: every call then says ERR_NETPROB)

import { RsyndError } from '../../shared/base/error.js';
import type {
  ReadLock,
  ReadTarget,
  Reply,
  Request,
  StoredManyReply,
} from '../../shared/protocol/message.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { KeyOf } from '../../shared/record/key.js';
import { makeGrfa, type Rfa, splitAddress } from '../../shared/record/rfa.js';
import type { CallOptions } from '../connection/link.js';
import type { Lease } from '../connection/link-pool.js';
import type { ResolvedOpen } from '../open-options.js';
import { ChannelQuery } from '../select/channel-query.js';
import type { AnyWhere, Query } from '../select/query.js';
import type { QuerySource } from '../select/query-source.js';
import { checkOptions, NO_OPTIONS } from './call-options.js';
import { expected, isPlace, type ReplyOf, rfaText, waitOf } from './call-values.js';
import type {
  CallLimits,
  Channel,
  CurrentRecord,
  GetOptions,
  ReadOptions,
  ReadPlace,
  ReadsOptions,
  StoreOptions,
  WriteOptions,
} from './channel.js';
import { answerGetfa } from './channel-facts.js';
import { keyNumberOf } from './key-of-reference.js';
import { RecordIterator } from './record-iterator.js';
import { type RecordShape, recordDecoder, toBuffer } from './record-shape.js';
import { storeMany } from './store-many.js';

/** What a channel is made of, once the server has opened the file. */
export interface ChannelParts<R> {
  readonly lease: Lease;
  readonly number: number;
  /** As the caller wrote it. */
  readonly name: string;
  /** The file as it is. */
  readonly spec: FileSpec;
  /** What the caller thinks it is. */
  readonly definition: FileSpec | undefined;
  readonly shape: RecordShape<R>;
  readonly open: ResolvedOpen;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

interface Current {
  readonly rfa: Rfa;
  readonly crc: number;
  locked: boolean;
}

export class OpenedChannel<R> implements Channel<R> {
  readonly #parts: ChannelParts<R>;
  readonly #usualLimits: CallOptions;
  /** Records under manual locks (RFA bytes as latin1): an unlock without RFA leaves them. */
  readonly #manual = new Set<string>();
  #current: Current | undefined;
  /** Counts requests, so that a late reply knows whether anything was asked after its request. */
  #turn = 0;
  #closing: Promise<void> | undefined;

  constructor(parts: ChannelParts<R>) {
    this.#parts = parts;
    const { timeoutMs, signal, name } = parts;
    this.#usualLimits = { timeoutMs, signal, file: name };
  }

  /** The file as it is; for programs that print its records. */
  get spec(): FileSpec {
    return this.#parts.spec;
  }

  get current(): CurrentRecord | undefined {
    if (this.#current === undefined) return undefined;
    const { rfa, crc, locked } = this.#current;
    return { rfa: Buffer.from(rfa), grfa: makeGrfa(rfa, crc), locked };
  }

  async read(where: KeyOf<R> | ReadPlace, options: ReadOptions = NO_OPTIONS): Promise<R> {
    checkOptions('read', options);
    const lock = options.lock ?? this.#usualLock;
    const target = this.#target(where, options);
    const request = { verb: 'read', target, lock, waitMs: waitOf(options) } as const;
    const reply = await this.#move(request, lock, options);
    return this.#decode(expected('record', reply));
  }

  async reads(options: ReadsOptions = NO_OPTIONS): Promise<R | undefined> {
    checkOptions('reads', options);
    const lock = options.lock ?? this.#usualLock;
    const direction = options.direction ?? 'forward';
    const request = { verb: 'reads', direction, lock, waitMs: waitOf(options) } as const;
    const reply = await this.#move(request, lock, options);
    return reply.verb === 'absent' ? undefined : this.#decode(expected('record', reply));
  }

  async find(where: KeyOf<R> | ReadPlace, options: ReadOptions = NO_OPTIONS): Promise<void> {
    checkOptions('find', options);
    const lock = options.lock ?? 'none';
    const target = this.#target(where, options);
    const request = { verb: 'find', target, lock, waitMs: waitOf(options) } as const;
    expected('stored', await this.#move(request, lock, options));
  }

  // Not async as the others are: where most calls are get(), a promise less counts.
  get(key: KeyOf<R>, options: GetOptions = NO_OPTIONS): Promise<R | undefined> {
    try {
      checkOptions('get', options);
      const number = this.#keyNumber(options.key ?? 0);
      const value = this.#parts.shape.encodeKey(number, key);
      return this.#askFor({ verb: 'get', key: number, value }, options, this.#recordOf);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  readonly #recordOf = (reply: Reply): R | undefined =>
    reply.verb === 'absent' ? undefined : this.#decode(expected('record', reply));

  async store(record: R, options: StoreOptions = NO_OPTIONS): Promise<Rfa> {
    checkOptions('store', options);
    const lock = options.lock ?? 'none';
    const bytes = this.#parts.shape.encode(record);
    const reply = await this.#ask({ verb: 'store', record: bytes, lock }, options);
    const { rfa, locked } = expected('stored', reply);
    if (locked) this.#manual.add(rfaText(rfa));
    return rfa;
  }

  async write(record: R, options: WriteOptions = NO_OPTIONS): Promise<Rfa> {
    checkOptions('write', options);
    const bytes = this.#parts.shape.encode(record);
    const { rfa: address } = options;
    const request = { verb: 'write', record: bytes, ...(address && { address }) } as const;
    const { rfa, crc, locked } = expected('stored', await this.#ask(request, options));
    if (address === undefined || this.#current?.rfa.equals(rfa))
      this.#current = { rfa, crc, locked };
    return rfa;
  }

  async delete(options: CallLimits = {}): Promise<void> {
    expected('done', await this.#ask({ verb: 'delete' }, options));
    if (this.#current !== undefined) this.#manual.delete(rfaText(this.#current.rfa));
    this.#current = undefined;
  }

  async unlock(address?: Rfa, options: CallLimits = {}): Promise<void> {
    const rfa = address === undefined ? undefined : splitAddress(address).rfa;
    expected('done', await this.#ask({ verb: 'unlock', ...(rfa && { rfa }) }, options));
    if (rfa !== undefined) this.#manual.delete(rfaText(rfa));
    const current = this.#current;
    if (current === undefined || this.#manual.has(rfaText(current.rfa))) return;
    if (rfa === undefined || rfa.equals(current.rfa)) current.locked = false;
  }

  async storeMany(
    records: Iterable<R> | AsyncIterable<R>,
    options: CallLimits = {},
  ): Promise<{ stored: number }> {
    this.#requireOpen();
    return storeMany(records, {
      encode: (record) => this.#parts.shape.encode(record),
      send: async (batch): Promise<StoredManyReply> =>
        expected('storedMany', await this.#ask({ verb: 'storeMany', records: batch }, options)),
    });
  }

  select(where?: AnyWhere<R>): Query<R> {
    this.#requireOpen();
    const all = new ChannelQuery<R>(this.#querySource(), { query: {} });
    return where === undefined ? all : all.where(where);
  }

  async getfa(option: string, length?: number): Promise<number | string> {
    this.#requireOpen();
    const { lease, spec, name } = this.#parts;
    return answerGetfa({ security: lease.link.security, spec, name }, option, length);
  }

  async isinfo(
    request: string,
    key: number | string = 0,
    segment?: number,
  ): Promise<number | string> {
    const number = this.#keyNumber(key);
    const ask = { verb: 'isinfo', request, key: number, ...(segment && { segment }) } as const;
    return expected('value', await this.#ask(ask, {})).value;
  }

  [Symbol.asyncIterator](): RecordIterator<R> {
    this.#requireOpen();
    const { lease, number, shape, name } = this.#parts;
    const request = { verb: 'scan', order: 0, direction: 'forward', credit: 0 } as const;
    const frames = lease.link.stream(request, number, this.#limits({}));
    return new RecordIterator(frames, recordDecoder(shape, name), shape.cut);
  }

  batches(): AsyncGenerator<R[], undefined> {
    return this[Symbol.asyncIterator]().batches();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { lease, number, name, timeoutMs } = this.#parts;
    this.#current = undefined;
    try {
      if (!lease.link.isOpen) return; // the server has freed everything when the connection went
      await lease.link.call({ verb: 'close' }, number, { timeoutMs, file: name });
      lease.link.freeChannel(number);
    } catch (error) {
      if (lease.link.isOpen) throw error;
    } finally {
      await lease.release();
    }
  }

  /** A request that goes somewhere: what it answers is current, and after a miss nothing is. */
  async #move(request: Request, lock: ReadLock, limits: CallLimits): Promise<Reply> {
    let reply: Reply;
    try {
      reply = await this.#ask(request, limits, lock === 'none' ? undefined : this.#freeLate);
    } catch (error) {
      this.#current = undefined;
      throw error;
    }
    if (reply.verb !== 'record' && reply.verb !== 'stored') {
      this.#current = undefined;
      return reply;
    }
    const { rfa, crc, locked } = reply;
    if (locked && lock === 'manual') this.#manual.add(rfaText(rfa));
    this.#current = { rfa, crc, locked };
    return reply;
  }

  /** Not async: it is on the way of every call. So it throws at once what is wrong on this side. */
  #ask(
    request: Request,
    limits: CallLimits,
    late?: (reply: Reply, turn: number) => void,
  ): Promise<Reply> {
    this.#requireOpen();
    const turn = ++this.#turn;
    const { lease, number } = this.#parts;
    const usual = this.#limits(limits);
    if (late === undefined) return lease.link.call(request, number, usual);
    return lease.link.call(request, number, { ...usual, onLate: (reply) => late(reply, turn) });
  }

  /** A request that neither moves nor locks, for what `read` makes of its reply. */
  #askFor<T>(request: Request, limits: CallLimits, read: (reply: Reply) => T): Promise<T> {
    this.#requireOpen();
    this.#turn++;
    const { lease, number } = this.#parts;
    return lease.link.callFor(request, number, this.#limits(limits), read);
  }

  /**
   * A read that was given up was answered all the same and holds a lock nobody knows of. It is freed,
   * unless anything was asked meanwhile: that may have come to rely on it, and the next read or close()
   * frees it anyway.
   */
  readonly #freeLate = (reply: Reply, turn: number): void => {
    if (reply.verb !== 'record' && reply.verb !== 'stored') return;
    const isOurs = reply.locked && !this.#manual.has(rfaText(reply.rfa));
    if (!isOurs || turn !== this.#turn || this.#closing !== undefined) return;
    this.#ask({ verb: 'unlock', rfa: reply.rfa }, {}).catch(() => {
      // The link is gone, and the lock with it.
    });
  };

  #querySource(): QuerySource<R> {
    const { lease, number, name, spec, definition, shape, open } = this.#parts;
    return {
      link: lease.link,
      number,
      name,
      spec,
      definition,
      shape,
      canLock: open.mode === 'update' && open.lock === 'auto',
      limits: this.#usualLimits,
      requireOpen: () => this.#requireOpen(),
      arrive: ({ rfa, crc, locked }) => {
        this.#current = { rfa, crc, locked };
      },
      leave: (rfa) => {
        const current = this.#current;
        if (current === undefined || !current.rfa.equals(rfa)) return;
        if (!this.#manual.has(rfaText(rfa))) current.locked = false;
      },
    };
  }

  /** Most calls bring no limits of their own and share one object. */
  #limits({ timeoutMs, signal }: CallLimits): CallOptions {
    const usual = this.#usualLimits;
    if (timeoutMs === undefined && signal === undefined) return usual;
    return {
      timeoutMs: timeoutMs ?? usual.timeoutMs,
      signal: signal ?? usual.signal,
      file: usual.file,
    };
  }

  #target(where: KeyOf<R> | ReadPlace, options: ReadOptions): ReadTarget {
    const key = this.#keyNumber(options.key ?? 0);
    if (isPlace(where)) {
      if ('rfa' in where) return { by: 'rfa', address: where.rfa };
      return { by: 'first' in where ? 'first' : 'last', key };
    }
    const value = this.#parts.shape.encodeKey(key, where);
    return { by: 'key', key, value, match: options.match ?? 'eq' };
  }

  #keyNumber(key: number | string): number {
    const { spec, definition, name } = this.#parts;
    return keyNumberOf(key, spec.keys, definition, name);
  }

  #decode(reply: ReplyOf<'record'>): R {
    const { shape, name } = this.#parts;
    const bytes = toBuffer(reply.record);
    return recordDecoder(shape, name)(bytes, 0, bytes.length, reply.rfa);
  }

  get #usualLock(): ReadLock {
    const { mode, lock } = this.#parts.open;
    return mode === 'update' && lock === 'auto' ? 'auto' : 'none';
  }

  #requireOpen(): void {
    if (this.#closing === undefined) return;
    const { name } = this.#parts;
    throw new RsyndError('ERR_NOOPEN', `the channel of ${name} was closed`, { file: name });
  }
}
