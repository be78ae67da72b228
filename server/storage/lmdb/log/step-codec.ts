// The steps of one write transaction as bytes, in the order in which they were taken: all that is
// needed to take them again on the same state of the file.
//
//   insert   1 | address u48 | counters | record | keys |
//   update   2 | address u48 | CRC of the record before u32 | counters | record | old keys | new keys |
//   remove   3 | address u48 | CRC of the record before u32 | keys |
//
//   counters | count u8 | each: | length u8 | name, latin1 | what it gives next i64 |
//   record   | length u32 | bytes |           keys   one per index: | length u16 | bytes |
//                                             length 0xffff: none, 0xfffe: the same as the old one
//
// Big-endian. On disk: never change.

import { logEntryBytesMax } from '../../../../shared/base/limits.js';
import type {
  CounterOfFile,
  IndexKeys,
  RecordChange,
  RecordDraft,
  RecordRemoval,
} from '../../engine.js';
import { addressToRfa, rfaToAddress } from '../address.js';
import { ADDRESS_BYTES } from '../format.js';
import { ENTRY_HEAD_BYTES } from './format.js';

const INSERT = 1;
const UPDATE = 2;
const REMOVE = 3;
const NO_KEY = 0xffff;
const SAME_KEY = 0xfffe;

/** A step that was taken: an insert with the address it was given. */
export type LoggedStep =
  | { readonly kind: 'insert'; readonly address: number; readonly draft: RecordDraft }
  | { readonly kind: 'update'; readonly change: RecordChange }
  | { readonly kind: 'remove'; readonly removal: RecordRemoval };

/** A record as it was stored: with the numbers it took from counters of the file, and what these say since. */
interface MadeRecord {
  readonly sequences: ReadonlyMap<string, bigint>;
  readonly record: Uint8Array;
  readonly keys: IndexKeys;
}

/** Collects the steps of a transaction. One buffer serves all transactions of a file. */
export class StepWriter {
  #bytes = Buffer.allocUnsafeSlow(4096);
  #end = ENTRY_HEAD_BYTES;
  #isComplete = true;

  /** Forgets what was collected. */
  clear(): void {
    this.#end = ENTRY_HEAD_BYTES;
    this.#isComplete = true;
  }

  /** Says that the transaction does what no step can say. */
  giveUp(): void {
    this.#isComplete = false;
  }

  /** The steps behind room for the head of an entry; undefined when they are too many, or not all here. */
  get entry(): Buffer | undefined {
    return this.#isComplete ? this.#bytes.subarray(0, this.#end) : undefined;
  }

  insert(address: number, made: MadeRecord): void {
    // A load has thousands of records behind the one that was too much.
    if (!this.#isComplete) return;
    if (!this.#reserve(madeBytes(made) + keysBytes(made.keys))) return;
    this.#begin(INSERT, address);
    this.#putRecord(made);
    this.#putKeys(made.keys);
  }

  update({ rfa, previousCrc, oldKeys }: RecordChange, made: MadeRecord): void {
    if (!this.#reserve(madeBytes(made) + keysBytes(oldKeys) + keysBytes(made.keys))) return;
    this.#begin(UPDATE, rfaToAddress(rfa));
    this.#end = this.#bytes.writeUInt32BE(previousCrc, this.#end);
    this.#putRecord(made);
    this.#putKeys(oldKeys);
    this.#putKeys(made.keys, oldKeys);
  }

  remove({ rfa, previousCrc, keys }: RecordRemoval): void {
    if (!this.#reserve(keysBytes(keys))) return;
    this.#begin(REMOVE, rfaToAddress(rfa));
    this.#end = this.#bytes.writeUInt32BE(previousCrc, this.#end);
    this.#putKeys(keys);
  }

  /** Makes room for a step; false when the entry becomes too large for the log. */
  #reserve(bytes: number): boolean {
    const end = this.#end + bytes + 16;
    if (end > logEntryBytesMax) this.#isComplete = false;
    if (!this.#isComplete) return false;
    if (end > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(logEntryBytesMax, 2 * end));
      this.#bytes.copy(larger, 0, 0, this.#end);
      this.#bytes = larger;
    }
    return true;
  }

  #begin(kind: number, address: number): void {
    this.#end = this.#bytes.writeUInt8(kind, this.#end);
    this.#end = this.#bytes.writeUIntBE(address, this.#end, ADDRESS_BYTES);
  }

  #putRecord({ sequences, record }: MadeRecord): void {
    this.#end = this.#bytes.writeUInt8(sequences.size, this.#end);
    for (const [name, next] of sequences) {
      this.#end = this.#bytes.writeUInt8(name.length, this.#end);
      this.#end += this.#bytes.write(name, this.#end, 'latin1');
      this.#end = this.#bytes.writeBigInt64BE(next, this.#end);
    }
    this.#end = this.#bytes.writeUInt32BE(record.length, this.#end);
    this.#bytes.set(record, this.#end);
    this.#end += record.length;
  }

  #putKeys(keys: IndexKeys, same?: IndexKeys): void {
    keys.forEach((key, number) => {
      const isSame = key !== undefined && same?.[number] === key;
      const length = isSame ? SAME_KEY : (key?.length ?? NO_KEY);
      this.#end = this.#bytes.writeUInt16BE(length, this.#end);
      if (key === undefined || isSame) return;
      this.#bytes.set(key, this.#end);
      this.#end += key.length;
    });
  }
}

const madeBytes = ({ sequences, record }: MadeRecord): number =>
  [...sequences.keys()].reduce((sum, name) => sum + 9 + name.length, 1 + record.length);

const keysBytes = (keys: IndexKeys): number =>
  keys.reduce((sum, key) => sum + 2 + (key?.length ?? 0), 0);

/** The steps of an entry of a file with `keyCount` keys. RangeError when they cannot be. */
export function* decodeSteps(body: Buffer, keyCount: number): Generator<LoggedStep> {
  const reader = new StepReader(body, keyCount);
  while (!reader.isAtEnd) yield reader.step();
}

class StepReader {
  readonly #body: Buffer;
  readonly #keyCount: number;
  #at = 0;

  constructor(body: Buffer, keyCount: number) {
    this.#body = body;
    this.#keyCount = keyCount;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#body.length;
  }

  step(): LoggedStep {
    const kind = this.#number(1);
    const address = this.#number(ADDRESS_BYTES);
    if (kind === INSERT) return { kind: 'insert', address, draft: this.#draft() };
    const rfa = addressToRfa(address);
    const previousCrc = this.#number(4);
    if (kind === REMOVE) {
      return { kind: 'remove', removal: { rfa, previousCrc, keys: this.#keys() } };
    }
    if (kind !== UPDATE) throw new RangeError(`no step has the number ${kind}`);
    const sequences = this.#counters();
    const record = this.#bytes(this.#number(4));
    const oldKeys = this.#keys();
    const newKeys = this.#keys(oldKeys);
    const stamped = { sequences, finish: () => ({ record, keys: newKeys }) };
    return { kind: 'update', change: { rfa, previousCrc, record, oldKeys, newKeys, stamped } };
  }

  #draft(): RecordDraft {
    const sequences = this.#counters();
    const record = this.#bytes(this.#number(4));
    const keys = this.#keys();
    return { sequences, finish: () => ({ record, keys }) };
  }

  /** Give the numbers again that were taken. */
  #counters(): CounterOfFile[] {
    return Array.from({ length: this.#number(1) }, () => {
      const name = this.#bytes(this.#number(1)).toString('latin1');
      const taken = this.#bytes(8).readBigInt64BE() - 1n;
      return { name, seed: taken, atLeast: taken };
    });
  }

  #keys(same: IndexKeys = []): IndexKeys {
    return Array.from({ length: this.#keyCount }, (_, number) => {
      const length = this.#number(2);
      if (length === SAME_KEY) return same[number];
      return length === NO_KEY ? undefined : this.#bytes(length);
    });
  }

  #number(width: number): number {
    return this.#bytes(width).readUIntBE(0, width);
  }

  #bytes(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#body.length) throw new RangeError('a step ends behind its entry');
    const bytes = this.#body.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }
}
