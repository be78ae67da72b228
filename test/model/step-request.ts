// Turns a step, which knows no file, into a request to the file at hand: its keys, values of its
// fields, records like those it takes, addresses it gave out.

import type { Request } from '../../shared/protocol/message.js';
import { makeGrfa, makeRfa } from '../../shared/record/rfa.js';
import { crcOf, type ModelFile } from './model-file.js';
import { type RandomFile, recordOf, searchBytesOf } from './random-spec.js';
import type { Step } from './random-step.js';

/** What is no address of any record. */
const NO_ADDRESSES = [Buffer.from('abc'), makeRfa(2 ** 40 - 1, 255), Buffer.alloc(9)];

export class StepRequests {
  readonly #file: RandomFile;
  readonly #model: ModelFile;
  /** Addresses with CRC that were given out, whatever became of them. */
  readonly #seen: Buffer[] = [];

  constructor(file: RandomFile, model: ModelFile) {
    this.#file = file;
    this.#model = model;
  }

  noteAddress(rfa: string, crc: number): void {
    this.#seen.push(makeGrfa(Buffer.from(rfa, 'hex'), crc));
  }

  /** Output mode: addresses of before mean nothing any more. */
  forget(): void {
    this.#seen.length = 0;
  }

  /** The request of a step; `reopen` is none. */
  requestOf(step: Step): Request {
    const { key: pick, lock, direction, picks, match, choice } = step;
    const { keys } = this.#file.spec;
    const key = pick === 29 ? keys.length : pick % keys.length;
    const spec = keys[key] ?? keys[0];
    if (spec === undefined) throw new TypeError('a file has keys');
    const value = searchBytesOf(this.#file, spec, picks, step.share);
    const record = recordOf(this.#file, picks);
    const wait = { lock, waitMs: 0 } as const;
    switch (step.action) {
      case 'readKey':
        return { verb: 'read', target: { by: 'key', key, value, match }, ...wait };
      case 'readEnd':
        return { verb: 'read', target: { by: choice % 2 ? 'first' : 'last', key }, ...wait };
      case 'readAddress':
        return { verb: 'read', target: { by: 'rfa', address: this.#address(choice) }, ...wait };
      case 'findKey':
        return { verb: 'find', target: { by: 'key', key, value, match }, ...wait };
      case 'findAddress':
        return { verb: 'find', target: { by: 'rfa', address: this.#address(choice) }, ...wait };
      case 'reads':
        return { verb: 'reads', direction, ...wait };
      case 'get':
        return { verb: 'get', key, value };
      case 'store':
        return { verb: 'store', record, lock: choice % 8 === 0 ? 'manual' : 'none' };
      case 'storeMany':
        return { verb: 'storeMany', records: step.more.map((each) => recordOf(this.#file, each)) };
      case 'write':
        return { verb: 'write', record: this.#changed(record, picks.length) };
      case 'writeAt':
        return {
          verb: 'write',
          record: this.#changed(record, picks.length),
          address: this.#address(choice),
        };
      case 'delete':
        return { verb: 'delete' };
      case 'unlock':
        return { verb: 'unlock' };
      case 'unlockAddress':
        return { verb: 'unlock', rfa: this.#address(choice) };
      case 'scan':
        return { verb: 'scan', order: choice % 3 ? key : 'stored', direction, credit: 2 ** 22 };
      case 'numrecs':
        return { verb: 'isinfo', request: 'NUMRECS', key: 0 };
      case 'reopen':
        throw new TypeError('not a request');
    }
  }

  /** Half of all writes keep the fields of some record but the last, so that some are allowed. */
  #changed(record: Buffer, choice: number): Buffer {
    const known = this.#model.records[choice % Math.max(1, this.#model.records.length)];
    if (choice % 2 === 0 || known === undefined) return record;
    const changed = Buffer.from(known.bytes);
    const last = this.#file.fields[choice % this.#file.fields.length];
    if (last !== undefined && last.offset < record.length) {
      record.copy(changed, last.offset, last.offset, last.offset + last.length);
    }
    return changed;
  }

  /** Mostly of a record that is there, else of one that was, or of none at all. */
  #address(choice: number): Buffer {
    if (choice % 20 === 0) return NO_ADDRESSES[choice % NO_ADDRESSES.length] ?? Buffer.alloc(0);
    const seen = this.#seen[choice % Math.max(1, this.#seen.length)];
    const { records, deleted } = this.#model;
    const [gone] = [...deleted].slice(choice % Math.max(1, deleted.size));
    if (choice % 7 === 0 && gone !== undefined) return Buffer.from(gone, 'hex');
    const live = records[choice % Math.max(1, records.length)];
    if (choice % 3 === 0 && seen !== undefined) {
      return choice % 2 === 0 ? seen : seen.subarray(0, 6);
    }
    if (live === undefined) return Buffer.alloc(3);
    const rfa = Buffer.from(live.rfa, 'hex');
    if (choice % 11 === 0) return makeGrfa(rfa, crcOf(Buffer.from('as it never was')));
    return choice % 2 === 0 ? makeGrfa(rfa, crcOf(live.bytes)) : rfa;
  }
}
