// Looks through blocks of a state of a file by reading the file: no map, no reader of LMDB, no lock, none of LMDB's
// code. So a thread can do it (lmdb-js is not safe in threads), and nobody who opens, commits, renames or deletes the
// file notices. What keeps the pages from changing meanwhile: nothing. Whoever uses what was found asks afterwards
// whether the state is still the newest one (state.ts); until then it is worth nothing. Bytes may be anything here.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { unmappedRunBytes } from '../../../../shared/base/limits.js';
import type { ScanFilter, UnmappedState } from '../../engine.js';
import { isBlockIntact, slotCount, storedCrc } from '../block-reader.js';
import {
  AT_CRC,
  BLOCK_HEADER_BYTES,
  BLOCK_NUMBER_BYTES,
  LARGE_MARK,
  PAGE_BYTES,
  SLOT_ENTRY_BYTES,
} from '../format.js';
import type { MapPart } from '../mapped/map-part.js';
import { TreeCursor } from '../mapped/tree-cursor.js';
import { PageFault, type TreePage } from '../mapped/tree-page.js';
import { numberKey } from '../number-key.js';
import { PAGE_HEADER_BYTES } from '../page-file.js';
import { isProven } from '../scan-proof.js';
import { DiskPages } from './disk-pages.js';

/** A record that the filter said yes to: `bytes[start, end)`, valid during one call. */
export interface Match {
  bytes: Buffer;
  start: number;
  end: number;
  /** As stored with it. */
  crc: number;
  block: number;
  slot: number;
  /** Records looked at so far, with this one. */
  looked: number;
}

/** Is told each match; false ends the search. */
export type Find = (match: Match) => boolean;

/** Blocks that lie one behind the other in the file. */
interface Run {
  firstPage: number;
  readonly numbers: number[];
}

export class BlockSearch {
  readonly #state: UnmappedState;
  readonly #fd: number;
  readonly #pages: DiskPages;
  readonly #pagesOfBlock: number;
  /** Room for a run, as words and, block by block, as bytes. */
  readonly #words: Uint32Array;
  readonly #room: Buffer;
  readonly #blocks: readonly Buffer[];
  readonly #run: Run = { firstPage: 0, numbers: [] };
  readonly #match: Match;
  /** Leaves whose keys are known to be in order. */
  readonly #ordered = new WeakSet<MapPart>();
  #looked = 0;

  /** Throws when the path leads to another file by now. */
  constructor(state: UnmappedState) {
    const { blockBytes, identity, lastPage, path } = state;
    this.#state = state;
    this.#pagesOfBlock = Math.ceil((PAGE_HEADER_BYTES + blockBytes) / PAGE_BYTES);
    const bytesOfBlock = this.#pagesOfBlock * PAGE_BYTES;
    const count = Math.floor(unmappedRunBytes / bytesOfBlock);
    this.#room = Buffer.allocUnsafeSlow(count * bytesOfBlock);
    this.#words = new Uint32Array(this.#room.buffer);
    this.#blocks = Array.from({ length: count }, (_, index) => {
      const start = index * bytesOfBlock + PAGE_HEADER_BYTES;
      return this.#room.subarray(start, start + blockBytes);
    });
    this.#match = { bytes: this.#room, start: 0, end: 0, crc: 0, block: 0, slot: 0, looked: 0 };
    this.#fd = openSync(path, 'r');
    const { dev, ino } = fstatSync(this.#fd);
    this.#pages = new DiskPages(this.#fd, lastPage);
    if (`${dev}:${ino}` === identity) return;
    this.close();
    throw new Error('another file has its name');
  }

  /**
   * Looks through blocks `from` up to and without `until`; how many records there were, undefined when `find` ended
   * it or a record is out of line. Throws on what cannot be, and on a block that disagrees with its checksum.
   */
  search(from: number, until: number, filter: ScanFilter, find: Find): number | undefined {
    this.#requireNoneBefore(from);
    const entries = this.#entries(from, until);
    const run = this.#run;
    let nearest = from;
    run.numbers.length = 0;
    this.#looked = 0;
    this.#requireOrder(entries.leaf);
    while (entries.next()) {
      this.#requireOrder(entries.leaf);
      const page = entries.valuePage(this.#state.blockBytes);
      if (page === undefined || entries.keyLength !== BLOCK_NUMBER_BYTES) {
        throw new PageFault('no block is here');
      }
      const { length } = run.numbers;
      const isNext = page === run.firstPage + length * this.#pagesOfBlock;
      if (length > 0 && (!isNext || length === this.#blocks.length)) {
        if (!this.#searchRun(filter, find)) return undefined;
      }
      if (run.numbers.length === 0) run.firstPage = page;
      const number = entries.keyBytes.readUIntBE(entries.keyStart, BLOCK_NUMBER_BYTES);
      if (number < nearest) throw new PageFault('blocks are out of order');
      nearest = number + 1;
      run.numbers.push(number);
    }
    this.#requireOrder(entries.leaf);
    return this.#searchRun(filter, find) ? this.#looked : undefined;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #entries(from: number | undefined, until: number): TreeCursor {
    const { blocksRoot, lastPage } = this.#state;
    const key = numberKey(BLOCK_NUMBER_BYTES);
    const least = from === undefined ? undefined : Buffer.from(key(from));
    const range = { least, limit: Buffer.from(key(until)) };
    const tree = { root: blocksRoot, state: { map: this.#pages, lastPage } };
    return new TreeCursor(tree, range, from === undefined ? 'reverse' : 'forward');
  }

  // A walk goes from leaf to leaf, and so meets every block whose number was damaged. Who looks for a range of numbers
  // would pass it, and those behind it, without a word: so order is looked after here.

  /** The block ahead of the first one from `from` on is one before it: none are lost between two leaves. */
  #requireNoneBefore(from: number): void {
    const entries = this.#entries(undefined, from);
    if (!entries.next()) return;
    const isBefore =
      entries.keyLength === BLOCK_NUMBER_BYTES &&
      entries.keyBytes.readUIntBE(entries.keyStart, BLOCK_NUMBER_BYTES) < from;
    if (!isBefore) throw new PageFault('blocks are out of order');
  }

  #requireOrder(leaf: TreePage): void {
    if (leaf.count === 0 || this.#ordered.has(leaf.part)) return;
    for (let index = 1; index < leaf.count; index++) {
      const before = leaf.key(leaf.node(index - 1));
      if (leaf.compare(leaf.node(index), before, before.length) <= 0) {
        throw new PageFault('blocks are out of order');
      }
    }
    this.#ordered.add(leaf.part);
  }

  /** Reads the run at hand, and empties it. */
  #searchRun(filter: ScanFilter, find: Find): boolean {
    const { firstPage, numbers } = this.#run;
    const bytes = numbers.length * this.#pagesOfBlock * PAGE_BYTES;
    if (readSync(this.#fd, this.#room, 0, bytes, firstPage * PAGE_BYTES) !== bytes) {
      throw new PageFault('a block is behind the end');
    }
    for (const [index, number] of numbers.entries()) {
      const block = this.#provenBlock(index, number);
      if (!this.#searchBlock(number, block, filter, find)) return false;
    }
    numbers.length = 0;
    return true;
  }

  /** A block of the run at hand, as soon as it is known to be sound. */
  #provenBlock(index: number, number: number): Buffer {
    const page = this.#run.firstPage + index * this.#pagesOfBlock;
    const block = this.#blocks[index];
    const word = (index * this.#pagesOfBlock * PAGE_BYTES) >>> 2;
    if (block === undefined || this.#words[word] !== page >>> 0) {
      throw new PageFault('a block is on another page');
    }
    const { proven } = this.#state;
    const checksum = block.readUInt32BE(AT_CRC);
    if (isProven(proven, number, checksum)) return block;
    if (!isBlockIntact(block)) throw new PageFault('a block disagrees with its checksum');
    if (number < proven.length) proven[number] = checksum;
    return block;
  }

  /** Runs for every record: the directory is read here, as in scan-walk.ts. */
  #searchBlock(number: number, block: Buffer, filter: ScanFilter, find: Find): boolean {
    const { overheadBytes } = this.#state;
    const slots = slotCount(block);
    let looked = this.#looked;
    for (let slot = 0; slot < slots; slot++) {
      const entry = BLOCK_HEADER_BYTES + slot * SLOT_ENTRY_BYTES;
      const at = ((block[entry] ?? 0) << 8) | (block[entry + 1] ?? 0);
      if (at === 0) continue;
      looked++;
      const length = ((block[entry + 2] ?? 0) << 8) | (block[entry + 3] ?? 0);
      if (length >= LARGE_MARK) return false;
      if (!filter(block, at + overheadBytes, at + length)) continue;
      const match = this.#match;
      match.bytes = block;
      match.start = at + overheadBytes;
      match.end = at + length;
      match.crc = storedCrc(block, at);
      match.block = number;
      match.slot = slot;
      match.looked = looked;
      if (!find(match)) return false;
    }
    this.#looked = looked;
    return true;
  }
}
