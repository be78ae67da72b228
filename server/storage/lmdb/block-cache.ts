// The blocks one write transaction works on, each read once, edited in memory and put once at the
// end. Decides which block takes a new record. Lives as long as its transaction.
//
// New records fill the current block. When it is full the next one listed in `free` (blocks with at
// least a quarter free) takes its place, else a new block: so a freed address is used again late.
// A block that became empty is removed and its number is not used again.

import { isBlockIntact } from './block-reader.js';
import { BlockRooms } from './block-rooms.js';
import { BlockWriter } from './block-writer.js';
import type { Counters } from './counters.js';
import { damaged } from './lmdb-error.js';
import type { Store } from './open-store.js';

/** Listed blocks looked at for one record before a new block is made. */
const CANDIDATES_MAX = 4;
const LISTED_SHARE = 1 / 4;

/** A transaction runs to its end before another begins, so one for all files will do. */
const rooms = new BlockRooms();

interface OpenBlock {
  readonly writer: BlockWriter;
  isChanged: boolean;
}

interface TakenSlot {
  readonly block: number;
  readonly slot: number;
  readonly writer: BlockWriter;
}

export class BlockCache {
  readonly #store: Store;
  readonly #counters: Counters;
  readonly #open = new Map<number, OpenBlock>();
  #opened = 0;
  /** False when `free` was found empty: before `putAll` nothing is added to it. */
  #isAnyListed = true;

  constructor(store: Store, counters: Counters) {
    this.#store = store;
    this.#counters = counters;
  }

  /** Bytes of blocks to be put so far. */
  get changedBytes(): number {
    return this.#opened * this.#store.layout.blockBytes;
  }

  /** The block to change or look at; undefined when there is none, ERR_DAMAGED when it is bad. */
  read(block: number): BlockWriter | undefined {
    return this.#load(block)?.writer;
  }

  /** Says that a block was changed and must be put. */
  changed(block: number): void {
    const open = this.#open.get(block);
    if (open === undefined) throw new TypeError(`block ${block} is not open`);
    open.isChanged = true;
  }

  /** Takes a slot of `length` bytes for a new record. */
  takeSlot(length: number, large: boolean): TakenSlot {
    const { currentBlock } = this.#counters;
    const current = currentBlock === 0 ? undefined : this.#takeIn(currentBlock, length, large);
    if (current !== undefined) return current;
    for (const block of this.#roomy(currentBlock)) {
      const taken = this.#takeIn(block, length, large);
      if (taken !== undefined) return taken;
    }
    return this.#takeInNewBlock(length, large);
  }

  /** Puts all changed blocks and keeps `free` in step. */
  putAll(): void {
    const { blocks, free } = this.#store;
    for (const [block, { writer, isChanged }] of this.#open) {
      if (!isChanged) continue;
      const wasListed = writer.isListed;
      const isEmpty = writer.used === 0;
      const listed = !isEmpty && block !== this.#counters.currentBlock && this.#isRoomy(writer);
      writer.isListed = listed;
      if (listed && !wasListed) free.put(block, Buffer.alloc(1));
      if (!listed && wasListed) free.remove(block);
      if (!isEmpty) blocks.put(block, writer.seal());
      else {
        blocks.remove(block);
        if (block === this.#counters.currentBlock) this.#counters.currentBlock = 0;
      }
    }
    this.#giveRooms();
  }

  /** What was put is LMDB's now. Nothing may be asked of this any more. */
  #giveRooms(): void {
    for (const { writer } of this.#open.values()) rooms.give(writer.bytes);
    this.#open.clear();
  }

  #isRoomy(writer: BlockWriter): boolean {
    return writer.freeBytes >= this.#store.layout.blockBytes * LISTED_SHARE;
  }

  /** Undefined when the block has no room. */
  #takeIn(block: number, length: number, large: boolean): TakenSlot | undefined {
    const open = this.#usable(block);
    const slot = open?.writer.takeSlot(length, large);
    if (open === undefined || slot === undefined) return undefined;
    this.#makeCurrent(block);
    open.isChanged = true;
    return { block, slot, writer: open.writer };
  }

  /** Blocks with room, those behind the current one first. */
  *#roomy(currentBlock: number): Generator<number> {
    if (!this.#isAnyListed) return;
    const behind = this.#listed(currentBlock + 1, undefined);
    yield* behind;
    const before = currentBlock === 0 ? [] : this.#listed(undefined, currentBlock);
    yield* before;
    const isCurrentListed = this.#open.get(currentBlock)?.writer.isListed === true;
    this.#isAnyListed = isCurrentListed || behind.length + before.length > 0;
  }

  #listed(start: number | undefined, end: number | undefined): number[] {
    return [...this.#store.free.getKeys({ start, end, limit: CANDIDATES_MAX })];
  }

  /** A bad block takes no records any more, and is no reason to refuse a new one. */
  #usable(block: number): OpenBlock | undefined {
    try {
      return this.#load(block);
    } catch {
      this.#store.free.remove(block);
      return undefined;
    }
  }

  #makeCurrent(block: number): void {
    const { currentBlock } = this.#counters;
    if (currentBlock === block) return;
    const retired = currentBlock === 0 ? undefined : this.#usable(currentBlock);
    if (retired !== undefined && this.#isRoomy(retired.writer)) retired.isChanged = true;
    this.#counters.currentBlock = block;
  }

  #takeInNewBlock(length: number, large: boolean): TakenSlot {
    const block = this.#counters.nextBlock++;
    const writer = new BlockWriter(rooms.takeEmpty(this.#store.layout.blockBytes));
    const slot = writer.takeSlot(length, large);
    if (slot === undefined) throw new TypeError(`a slot of ${length} bytes fits no block`);
    this.#open.set(block, { writer, isChanged: true });
    this.#opened++;
    this.#makeCurrent(block);
    return { block, slot, writer };
  }

  #load(block: number): OpenBlock | undefined {
    const known = this.#open.get(block);
    if (known !== undefined) return known;
    const { layout, blocks } = this.#store;
    const shared = blocks.getBinaryFast(block);
    if (shared === undefined) return undefined;
    if (shared.length !== layout.blockBytes) throw damaged(layout, `block ${block} is unreadable`);
    const bytes = rooms.take(layout.blockBytes);
    bytes.set(this.#store.environment.shared(shared, layout.blockBytes));
    if (!isBlockIntact(bytes)) throw damaged(layout, `block ${block} has a bad checksum`);
    const open = { writer: new BlockWriter(bytes), isChanged: false };
    this.#open.set(block, open);
    this.#opened++;
    return open;
  }
}
