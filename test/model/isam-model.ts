// Channels over a model file: positions, current records, locks, share modes, and which error each
// request gets. The rules are written out anew from what the product promises, one method a verb.

import type {
  Match,
  OpenMode,
  ReadDirection,
  ReadLock,
  ReadTarget,
} from '../../shared/protocol/message.js';
import { compareWithSearch, ModelError, searchValue } from './key-order.js';
import {
  crcOf,
  type ModelFile,
  type ModelRecord,
  type Observed,
  type Place,
  placeOf,
} from './model-file.js';
import type { ChannelOptions, ModelShare } from './model-share.js';
import type { Outcome } from './outcome.js';

type Position =
  | { readonly kind: 'start' | 'end'; readonly key: number }
  | { readonly kind: 'at' | 'found'; readonly key: number; readonly place: Place };

export class ModelChannel {
  readonly #file: ModelFile;
  readonly #share: ModelShare<ModelChannel>;
  readonly #options: ChannelOptions;
  #position: Position = { kind: 'start', key: 0 };
  #current: string | undefined;
  #autoLocked: string | undefined;
  readonly #manualLocked = new Set<string>();

  /** ERR_FINUSE. Output mode empties the file. */
  constructor(file: ModelFile, share: ModelShare<ModelChannel>, options: ChannelOptions) {
    this.#file = file;
    this.#share = share;
    this.#options = { ...options, lock: options.mode === 'update' ? options.lock : 'none' };
    share.enter(this, options);
    if (options.mode === 'output') file.clear();
  }

  close(): void {
    this.#share.leave(this);
  }

  read(target: ReadTarget, lock: ReadLock): Outcome {
    this.#requireMode('input', 'update');
    const { record } = this.#goTo(target, lock);
    return this.#recordOutcome(record);
  }

  /** The next `reads` gives this record, if it is in the key of reference at all. */
  find(target: ReadTarget, lock: ReadLock): Outcome {
    this.#requireMode('input', 'update');
    const { record, isPlaced } = this.#goTo(target, lock);
    if (isPlaced && this.#position.kind === 'at') {
      this.#position = { ...this.#position, kind: 'found' };
    }
    return this.#storedOutcome(record, this.#holds(record.rfa));
  }

  reads(direction: ReadDirection, lock: ReadLock): Outcome {
    this.#requireMode('input', 'update');
    this.#leaveCurrent();
    const next = this.#next(direction);
    if (next === undefined) {
      const kind = direction === 'forward' ? 'end' : 'start';
      this.#position = { kind, key: this.#position.key };
      return { verb: 'absent' };
    }
    this.#lock(next.rfa, lock);
    this.#arrive(next, lock, this.#position.key);
    return this.#recordOutcome(next);
  }

  get(key: number, value: Uint8Array): Outcome {
    this.#requireMode('input', 'update');
    const record = this.#search(key, value, 'eq');
    return record === undefined ? { verb: 'absent' } : this.#recordOutcome(record);
  }

  store(bytes: Uint8Array, lock: 'none' | 'manual', observed?: Observed): Outcome {
    this.#requireMode('update', 'output', 'append');
    const record = this.#file.insert(bytes, observed);
    const isLocked = lock === 'manual' && this.#options.lock === 'auto';
    if (isLocked) {
      this.#share.lock(record.rfa, this);
      this.#manualLocked.add(record.rfa);
      if (this.#current === record.rfa) this.#current = undefined;
    }
    return this.#storedOutcome(record, isLocked);
  }

  storeMany(records: readonly Uint8Array[]): Outcome {
    this.#requireMode('update', 'output', 'append');
    let stored = 0;
    for (const bytes of records) {
      try {
        this.#file.insert(bytes);
      } catch (error) {
        if (!(error instanceof ModelError)) throw error;
        return { verb: 'storedMany', stored, error: error.code };
      }
      stored++;
    }
    return { verb: 'storedMany', stored, error: undefined };
  }

  write(bytes: Uint8Array, observed?: Observed): Outcome {
    this.#requireMode('update');
    const record = this.#lockedCurrent();
    this.#file.update(record, bytes, observed);
    this.#freeAutomatic();
    return this.#storedOutcome(record, this.#holds(record.rfa));
  }

  writeAt(address: Uint8Array, bytes: Uint8Array, observed?: Observed): Outcome {
    this.#requireMode('update');
    if (this.#options.lock === 'none') throw new ModelError('ERR_NOCURR');
    const { rfa } = split(address);
    this.#share.requireFree(rfa, this);
    const record = this.#fetch(address);
    this.#file.update(record, bytes, observed);
    if (this.#autoLocked === rfa) this.#freeAutomatic();
    return this.#storedOutcome(record, this.#holds(rfa));
  }

  delete(): Outcome {
    this.#requireMode('update');
    const record = this.#lockedCurrent();
    this.#file.remove(record);
    this.#current = undefined;
    this.#unlockOne(record.rfa);
    return { verb: 'done' };
  }

  unlock(address: Uint8Array | undefined): Outcome {
    if (address === undefined) this.#freeAutomatic();
    else this.#unlockOne(split(address).rfa);
    return { verb: 'done' };
  }

  /** In stored order the caller compares as a set: where a record lies is the store's business. */
  scan(order: number | 'stored', direction: ReadDirection): Outcome {
    this.#requireMode('input', 'update');
    if (order !== 'stored') this.#file.keySpec(order);
    const found = order === 'stored' ? this.#file.records : this.#file.inOrder(order);
    const records = found.map(({ bytes }) => bytes.toString('hex'));
    return { verb: 'scan', records: direction === 'forward' ? records : records.reverse() };
  }

  #goTo(target: ReadTarget, lock: ReadLock): { record: ModelRecord; isPlaced: boolean } {
    this.#leaveCurrent();
    if (target.by === 'rfa') {
      const record = this.#fetch(target.address);
      this.#lock(record.rfa, lock);
      return { record, isPlaced: this.#arrive(record, lock, this.#position.key) };
    }
    const record = this.#lookFor(target);
    this.#lock(record.rfa, lock);
    return { record, isPlaced: this.#arrive(record, lock, target.key) };
  }

  /** ERR_RNF leaves the position; what goes past an end stands there. */
  #lookFor(target: Exclude<ReadTarget, { by: 'rfa' }>): ModelRecord {
    const { key } = target;
    this.#file.keySpec(key);
    const isExact = target.by === 'key' && target.match === 'eq';
    const record =
      target.by === 'key'
        ? this.#search(key, target.value, target.match)
        : this.#file.inOrder(key).at(target.by === 'first' ? 0 : -1);
    if (record !== undefined) return record;
    if (isExact) throw new ModelError('ERR_RNF');
    this.#position = { kind: target.by === 'first' ? 'start' : 'end', key };
    throw new ModelError('ERR_EOF');
  }

  #search(key: number, value: Uint8Array, match: Match): ModelRecord | undefined {
    const spec = this.#file.keySpec(key);
    const search = searchValue(spec, value, match);
    return this.#file.inOrder(key).find((record) => {
      const order = compareWithSearch(spec, placeOf(record, key).value, search);
      if (match === 'eq') return order === 0;
      return match === 'gtr' ? order > 0 : order >= 0;
    });
  }

  #next(direction: ReadDirection): ModelRecord | undefined {
    const position = this.#position;
    const { key } = position;
    const inOrder = this.#file.inOrder(key);
    if (!('place' in position)) {
      const isTowards = (position.kind === 'start') === (direction === 'forward');
      return isTowards ? inOrder.at(direction === 'forward' ? 0 : -1) : undefined;
    }
    const { place } = position;
    const side = (record: ModelRecord) => this.#file.comparePlace(key, placeOf(record, key), place);
    if (position.kind === 'found') return inOrder.find((record) => side(record) >= 0);
    if (direction === 'forward') return inOrder.find((record) => side(record) > 0);
    return inOrder.findLast((record) => side(record) < 0);
  }

  /** Makes a record the current one; false when its null key keeps it out of the index. */
  #arrive(record: ModelRecord, lock: ReadLock, key: number): boolean {
    this.#current = record.rfa;
    const effective = this.#effectiveLock(lock);
    if (effective === 'manual') this.#manualLocked.add(record.rfa);
    if (effective === 'auto' && !this.#manualLocked.has(record.rfa)) this.#autoLocked = record.rfa;
    if (record.keys[key] === undefined) return false;
    this.#position = { kind: 'at', key, place: placeOf(record, key) };
    return true;
  }

  #lock(rfa: string, lock: ReadLock): void {
    if (this.#effectiveLock(lock) !== 'none') this.#share.lock(rfa, this);
  }

  #effectiveLock(lock: ReadLock): ReadLock {
    return this.#options.mode === 'update' && this.#options.lock === 'auto' ? lock : 'none';
  }

  #leaveCurrent(): void {
    this.#current = undefined;
    this.#freeAutomatic();
  }

  #freeAutomatic(): void {
    if (this.#autoLocked !== undefined) this.#share.unlock(this.#autoLocked, this);
    this.#autoLocked = undefined;
  }

  #unlockOne(rfa: string): void {
    this.#manualLocked.delete(rfa);
    if (this.#autoLocked === rfa) this.#autoLocked = undefined;
    this.#share.unlock(rfa, this);
  }

  #holds(rfa: string): boolean {
    return this.#share.holds(rfa, this);
  }

  #fetch(address: Uint8Array): ModelRecord {
    const { rfa, crc } = split(address);
    const record = this.#file.at(rfa);
    if (record === undefined) {
      throw new ModelError(this.#file.deleted.has(rfa) ? 'ERR_DELREC' : 'ERR_INVALRFA');
    }
    if (crc !== undefined && crc !== crcOf(record.bytes)) throw new ModelError('ERR_RECNOT');
    return record;
  }

  #lockedCurrent(): ModelRecord {
    const rfa = this.#current;
    const record = rfa !== undefined && this.#holds(rfa) ? this.#file.at(rfa) : undefined;
    if (record === undefined) throw new ModelError('ERR_NOCURR');
    return record;
  }

  #requireMode(...modes: OpenMode[]): void {
    if (!modes.includes(this.#options.mode)) throw new ModelError('ERR_FILOPT');
  }

  #recordOutcome(record: ModelRecord): Outcome {
    const { rfa, bytes } = record;
    const locked = this.#holds(rfa);
    return { verb: 'record', rfa, crc: crcOf(bytes), locked, record: bytes.toString('hex') };
  }

  #storedOutcome({ rfa, bytes }: ModelRecord, locked: boolean): Outcome {
    return { verb: 'stored', rfa, crc: crcOf(bytes), locked };
  }
}

function split(address: Uint8Array): { rfa: string; crc?: number } {
  const bytes = Buffer.from(address);
  if (bytes.length !== 6 && bytes.length !== 10) throw new ModelError('ERR_INVALRFA');
  const rfa = bytes.toString('hex', 0, 6);
  return bytes.length === 6 ? { rfa } : { rfa, crc: bytes.readUInt32BE(6) };
}
