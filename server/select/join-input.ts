// Pairs of records: for each of one file, those of another whose key begins with the values of its fields.
// Partners are streamed from the other file's index, however many there are; nothing is paired that the
// key does not lead to. A pair is two parts, own and other, each behind its length (4 bytes, big-endian);
// an own record without partner in a left join has an other part of length 0.

import { type Answer, andThen, isLater } from '../../shared/base/answer.js';
import { RsyndError } from '../../shared/base/error.js';
import {
  frameBytesMax,
  selectBatchRecordsMax,
  streamFrameBytes,
} from '../../shared/base/limits.js';
import type { Join } from '../../shared/select/query.js';
import type { StoredFile } from '../storage/engine.js';
import type { Lookup } from './lookup.js';
import type { Predicate } from './query-plan.js';
import { RecordWalk, type WalkPoint } from './record-walk.js';
import type { RowInput, RowShape, TakeRow } from './row.js';

export interface JoinInputOptions {
  /** Whole records. */
  readonly own: RowInput;
  /** What travels of them. */
  readonly shape: RowShape;
  readonly kind: Join['kind'];
  readonly other: StoredFile;
  readonly lookup: Lookup;
  /** Which records of the other may be partners. */
  readonly where: Predicate | undefined;
  /** The query may be stopped between two own records: then they are taken one by one. */
  readonly isBounded: boolean;
}

/** An own record whose partners are being given. */
interface Current {
  readonly part: Buffer;
  readonly partners: RecordWalk | undefined;
  isMatched: boolean;
}

const NO_ADDRESS = { block: 0, slot: 0 };

export class JoinInput implements RowInput {
  readonly #options: JoinInputOptions;
  readonly #waiting: Buffer[] = [];
  #ownEnded = false;
  #current: Current | undefined;
  /** Partners looked at for earlier own records, and pairs that were the last. */
  #lookedBefore = 0;

  constructor(options: JoinInputOptions) {
    this.#options = options;
  }

  get looked(): number {
    return this.#options.own.looked + this.#lookedBefore + (this.#current?.partners?.looked ?? 0);
  }

  get isLooking(): boolean {
    return this.#options.own.isLooking;
  }

  /** Not in the middle of the partners of one own record. */
  get point(): WalkPoint | 'within' | 'nowhere' {
    const isBetween = this.#current === undefined && this.#waiting.length === 0;
    return isBetween ? this.#options.own.point : 'within';
  }

  advance(take: TakeRow, recordsMax: number): Answer<'more' | 'end'> {
    const until = this.looked + recordsMax;
    do {
      const state = this.#once(take, Math.max(1, until - this.looked));
      if (isLater(state)) return andThen(state, (settled) => (settled === 'end' ? 'end' : 'more'));
      if (state !== 'on') return state === 'end' ? 'end' : 'more';
    } while (this.looked < until);
    return 'more';
  }

  countLast(): void {
    this.#lookedBefore++;
  }

  close(): Answer<void> {
    return this.#options.own.close();
  }

  /** `full`: a pair was not taken. */
  #once(take: TakeRow, recordsMax: number): Answer<'on' | 'full' | 'end'> {
    if (this.#current !== undefined) return this.#givePairs(this.#current, take, recordsMax);
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#current = this.#begin(next);
      return 'on';
    }
    return this.#ownEnded ? 'end' : this.#takeOwn(recordsMax);
  }

  #takeOwn(recordsMax: number): Answer<'on'> {
    const { own, isBounded } = this.#options;
    const countMax = isBounded ? 1 : selectBatchRecordsMax;
    let bytes = 0;
    const keep: TakeRow = (row, start, end) => {
      if (this.#waiting.length >= countMax || bytes >= streamFrameBytes) return false;
      this.#waiting.push(Buffer.from(row.subarray(start, end)));
      bytes += end - start;
      return true;
    };
    return andThen(own.advance(keep, recordsMax), (state) => {
      this.#ownEnded = state === 'end';
      return 'on';
    });
  }

  #begin(own: Buffer): Current {
    const { lookup, other, shape, where } = this.#options;
    let part = own;
    const keep: TakeRow = (row, start, end) => {
      part = Buffer.from(row.subarray(start, end));
      return true;
    };
    shape.give(keep, own, { start: 0, end: own.length, address: NO_ADDRESS });
    const range = lookup.rangeOf(own, 0, own.length);
    if (range === undefined) return { part, partners: undefined, isMatched: false };
    const plan = { order: lookup.key, direction: 'forward', ranges: [range] } as const;
    const isPartner: Predicate = (bytes, start, end) =>
      lookup.isPartner(own, bytes, start, end) && where?.(bytes, start, end) !== false;
    const partners = new RecordWalk(other, plan, isPartner);
    return { part, partners, isMatched: false };
  }

  #givePairs(current: Current, take: TakeRow, recordsMax: number): Answer<'on' | 'full'> {
    const { partners } = current;
    let isFull = false;
    if (partners === undefined) return this.#endPairs(current, take);
    const state = partners.advance((bytes, start, end) => {
      isFull = !takePair(take, current.part, bytes.subarray(start, end));
      if (!isFull) current.isMatched = true;
      return !isFull;
    }, recordsMax);
    return andThen(state, (settled) => {
      if (isFull) return 'full';
      return settled === 'end' ? this.#endPairs(current, take) : 'on';
    });
  }

  #endPairs(current: Current, take: TakeRow): 'on' | 'full' {
    const isAlone = this.#options.kind === 'left' && !current.isMatched;
    if (isAlone && !takePair(take, current.part, NOTHING)) {
      // Its partners, of which there are none, need not be looked for again.
      this.#lookedBefore += current.partners?.looked ?? 0;
      this.#current = { ...current, partners: undefined };
      return 'full';
    }
    this.#lookedBefore += current.partners?.looked ?? 0;
    this.#current = undefined;
    return 'on';
  }
}

const NOTHING = Buffer.alloc(0);
/** A pair travels in one frame, behind its header. */
const pairBytesMax = frameBytesMax - 64;

function takePair(take: TakeRow, own: Buffer, other: Buffer): boolean {
  const bytes = 8 + own.length + other.length;
  if (bytes > pairBytesMax) throw tooLong(bytes);
  const pair = Buffer.allocUnsafe(bytes);
  pair.writeUInt32BE(own.length, 0);
  own.copy(pair, 4);
  pair.writeUInt32BE(other.length, 4 + own.length);
  other.copy(pair, 8 + own.length);
  return take(pair, 0, pair.length);
}

function tooLong(bytes: number): RsyndError {
  const why = `a pair of ${bytes} bytes does not fit a frame; choose fields of the first file`;
  return new RsyndError('ERR_INVOPER', why, { subject: 'select' });
}
