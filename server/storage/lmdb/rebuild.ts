// Makes a file anew from its records: copies every sound record into a new file beside it, under its
// old address and with its old insertion numbers, makes all indexes and counters, and puts the new
// file in the place of the old one in one step (rename). A crash on the way leaves the old file as it
// was. The caller has the file to itself: other processes would go on with the old one.

import { chmodSync, chownSync, renameSync, rmSync, statSync } from 'node:fs';
import { RsyndError } from '../../../shared/base/error.js';
import { diskReserveBytes } from '../../../shared/base/limits.js';
import type { IndexKeys, KeysOfRecord, Problem, VerifyReport } from '../engine.js';
import { makePlace } from '../place.js';
import { addressSlot, addressToRfa, makeAddress } from './address.js';
import {
  insertionNumber,
  isBlockIntact,
  isLarge,
  slotCount,
  slotLength,
  slotStart,
} from './block-reader.js';
import { BlockWriter, emptyBlock } from './block-writer.js';
import { type Counters, encodeCounters, newCounters } from './counters.js';
import { encodeDefinition } from './definition-entry.js';
import type { FreeBytes } from './disk-space.js';
import type { Snapshot } from './environment.js';
import { syncDirectory, syncFile } from './flush.js';
import { commitError } from './lmdb-error.js';
import { countersKey, definitionKey, makeStore, openStore, type Store } from './open-store.js';
import { lockPath, removeCompanions, removeFile } from './paths.js';
import {
  BLOCKS_PER_TURN,
  nextTurn,
  type SalvagedBlock,
  salvageBlocks,
  salvageCounters,
} from './salvage.js';
import { type Inspection, reportTrees, soundRecord } from './verify.js';

/** Blocks with so much free are listed in `free`, as in block-cache.ts. */
const LISTED_SHARE = 1 / 4;

/** Rebuilds the file of `old` and opens what came of it. The caller closes `old`. */
export async function rebuildStore(
  old: Store,
  inspection: Inspection,
  freeBytes: FreeBytes,
): Promise<{ store: Store; report: VerifyReport }> {
  const { path, name, blockBytes } = old.layout;
  const { size } = statSync(path);
  if (freeBytes(path) < size + diskReserveBytes) {
    const why = `rebuilding ${name} needs ${Math.ceil(size / 1024 / 1024)} MB free beside it`;
    throw new RsyndError('ERR_NOSPAC', why, { file: name });
  }
  const making = `${path}.rebuild`;
  removeFile(making);
  try {
    const made = makeStore(making, { spec: old.spec, blockBytes }, { noSync: true });
    const report = await fill(old, made, inspection);
    putInPlace(path, making);
    return { store: openStore(path, name, 'opening', old.bootId), report };
  } catch (error) {
    removeFile(making);
    throw commitError(old.layout, error);
  }
}

async function fill(old: Store, made: Store, inspection: Inspection): Promise<VerifyReport> {
  const snapshot = old.environment.snapshot();
  try {
    reportTrees(old, inspection.report);
    return await new Rebuild(old, made, snapshot, inspection).run();
  } finally {
    snapshot.done();
    await made.close();
  }
}

function putInPlace(path: string, making: string): void {
  const { mode, uid, gid } = statSync(path);
  chmodSync(making, mode);
  const now = statSync(making);
  if (now.uid !== uid || now.gid !== gid) chownSync(making, uid, gid);
  syncFile(making);
  renameSync(making, path);
  // The readers' table of the old file must not be taken for that of the new one, nor its log.
  removeCompanions(path);
  rmSync(lockPath(making), { force: true });
  syncDirectory(path);
}

class Rebuild {
  readonly #old: Store;
  readonly #made: Store;
  readonly #snapshot: Snapshot;
  readonly #keysOf: KeysOfRecord;
  readonly #inspection: Inspection;
  readonly #counters: Counters = newCounters();
  /** Sequences are found in the records only when the counters are lost. */
  readonly #sequences: readonly { name: string; offset: number }[];
  readonly #entries: number[];
  readonly #total: number;

  constructor(old: Store, made: Store, snapshot: Snapshot, inspection: Inspection) {
    this.#old = old;
    this.#made = made;
    this.#snapshot = snapshot;
    this.#inspection = inspection;
    this.#keysOf = inspection.keysOf;
    this.#entries = old.layout.indexes.map(() => 0);
    const known = salvageCounters(old, snapshot);
    this.#total = known?.records ?? 0;
    this.#sequences = known === undefined ? sequencesOf(old) : [];
    if (known === undefined) return;
    this.#counters.nextBlock = known.nextBlock;
    this.#counters.insertion = known.insertion;
    for (const [name, next] of known.sequences) this.#counters.sequences.set(name, next);
  }

  async run(): Promise<VerifyReport> {
    let batch: SalvagedBlock[] = [];
    for (const block of salvageBlocks(this.#old, this.#snapshot)) {
      batch.push(block);
      if (batch.length < BLOCKS_PER_TURN) continue;
      this.#putBatch(batch);
      batch = [];
      this.#inspection.progress(
        this.#counters.records,
        Math.max(this.#total, this.#counters.records),
      );
      await nextTurn();
    }
    this.#putBatch(batch);
    this.#made.environment.transact(() => {
      const { spec, blockBytes } = {
        spec: this.#old.spec,
        blockBytes: this.#old.layout.blockBytes,
      };
      this.#made.header.put(definitionKey(), encodeDefinition({ spec, blockBytes }));
      this.#made.header.put(countersKey(), encodeCounters(this.#counters));
      this.#made.putIdentity();
    });
    return { records: this.#counters.records, entries: this.#entries };
  }

  #putBatch(batch: readonly SalvagedBlock[]): void {
    this.#made.environment.transact(() => {
      for (const { number, bytes } of batch) this.#putBlock(number, bytes);
    });
  }

  #putBlock(number: number, bytes: Buffer | undefined): void {
    this.#counters.nextBlock = Math.max(this.#counters.nextBlock, number + 1);
    if (bytes === undefined) {
      this.#problem('bad-block', `block ${number} cannot be read, its records are lost`);
      return;
    }
    const writer = new BlockWriter(emptyBlock(bytes.length));
    if (isBlockIntact(bytes)) writer.restoreDirectory(slotCount(bytes));
    for (let slot = 0; slot < slotCount(bytes); slot++) {
      if (slotStart(bytes, slot) !== 0) this.#moveRecord(bytes, makeAddress(number, slot), writer);
    }
    if (!isBlockIntact(bytes)) {
      const detail = `block ${number} has a bad checksum; ${writer.used} records of it are kept`;
      this.#problem('bad-block', detail);
    }
    if (writer.used === 0) return;
    writer.isListed = writer.freeBytes >= bytes.length * LISTED_SHARE;
    if (writer.isListed) this.#made.free.put(number, Buffer.alloc(1));
    this.#made.blocks.put(number, writer.seal());
  }

  #moveRecord(bytes: Buffer, address: number, writer: BlockWriter): void {
    const slot = addressSlot(address);
    const large = isLarge(bytes, slot);
    const found = soundRecord(this.#old, bytes, address, this.#snapshot);
    if (found === undefined || !writer.restoreSlot(slot, slotLength(bytes, slot), large)) {
      this.#problem('bad-crc', 'the record does not agree with its checksum and is lost', address);
      return;
    }
    const start = slotStart(bytes, slot);
    const to = slotStart(writer.bytes, slot);
    bytes.copy(writer.bytes, to, start, start + slotLength(bytes, slot));
    if (large) this.#made.large.put(address, found.record);
    this.#counters.records++;
    this.#noteSequences(found.record);
    this.#putEntries(bytes, address, this.#keysOfRecord(found.record, address));
  }

  #keysOfRecord(record: Buffer, address: number): IndexKeys {
    try {
      return this.#keysOf(record);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#problem('missing-entry', `its keys cannot be made: ${why}`, address);
      return [];
    }
  }

  #putEntries(bytes: Buffer, address: number, keys: IndexKeys): void {
    const start = slotStart(bytes, addressSlot(address));
    for (const { number, dups, ordinal } of this.#old.layout.indexes) {
      const insertion = dups === 'none' ? 0 : insertionNumber(bytes, start, ordinal);
      this.#counters.insertion = Math.max(this.#counters.insertion, insertion + 1);
      const key = keys[number];
      if (key === undefined) continue;
      const index = this.#made.index(number);
      const place = makePlace(dups, key, insertion);
      if (index.get(place) !== undefined) {
        const detail = `key ${number} has this value for another record already; delete one of them`;
        this.#problem('missing-entry', detail, address, number);
        continue;
      }
      index.put(place, address);
      this.#entries[number] = (this.#entries[number] ?? 0) + 1;
    }
  }

  #noteSequences(record: Buffer): void {
    for (const { name, offset } of this.#sequences) {
      if (record.length < offset + 8) continue;
      const next = record.readBigInt64LE(offset) + 1n;
      const known = this.#counters.sequences.get(name);
      if (known === undefined || next > known) this.#counters.sequences.set(name, next);
    }
  }

  #problem(kind: Problem['kind'], detail: string, address?: number, key?: number): void {
    this.#inspection.report({
      kind,
      detail,
      ...(key !== undefined && { key }),
      ...(address !== undefined && { rfa: addressToRfa(address) }),
    });
  }
}

/** Where sequence autokeys stand in a record, under the counter names isam/ gives them. */
const sequencesOf = ({ spec }: Store): { name: string; offset: number }[] =>
  spec.keys
    .flatMap((key) => key.segments)
    .filter((segment) => segment.type === 'sequence')
    .map(({ offset }) => ({ name: `sequence@${offset}`, offset }));
