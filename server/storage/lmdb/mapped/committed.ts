// The newest committed state of a file, for reading in place (memory-map.ts): which transaction made it, and
// where the trees of its tables begin. A reader of LMDB, the slot, keeps its pages from being written anew.
//
//   at rest ──look()──▶ slot taken ──own commit, or no read for a while──▶ at rest
//
// `look` goes to whatever is newest by now, in one comparison when nothing is newer. While somebody holds the
// state (a scan), it stays what it is. LMDB writes no page anew that the state of the slot or a later one has.
//
// A state is newest when three agree on its number: LMDB's head (head.ts), asked before the slot is taken, and the
// meta pages before and after its root is read. Then its meta page was whole when it was read: who commits writes
// that first and sets the head afterwards, and writes the same page again only two states later. And then the slot is
// of this very state, so LMDB has grown its map for it.

import { readerIdleMs, stateTriesMax, treeDepthMax } from '../../../../shared/base/limits.js';
import { PAGE_BYTES } from '../format.js';
import { AT_LAST_PAGE, AT_MAIN_TREE, AT_TRANSACTION, AT_TREE_ROOT } from '../page-file.js';
import type { MemoryMap } from './memory-map.js';
import type { Slot } from './reader-slot.js';
import { PageFault, TreePage } from './tree-page.js';

/** LMDB's number of the newest transaction. */
export interface Head {
  number(): number;
  /** After a commit that is under way; sets it to what the file says. */
  putRight(): void;
  /** Commits what this process has answered and not committed yet. */
  settle(): void;
}

/** A commit that is under way gets so many looks to end by itself. */
const TRIES_BEFORE_HEAD = 8;

export class Committed {
  readonly map: MemoryMap;
  readonly #slot: Slot;
  readonly #head: Head;
  /** Counts the states looked at. */
  version = 0;
  /** Of the state: nothing of it is behind this page. */
  lastPage = 0;
  #transaction = -1;
  #mainRoot = 0;
  #holders = 0;
  #isUsed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(map: MemoryMap, slot: Slot, head: Head) {
    this.map = map;
    this.#slot = slot;
    this.#head = head;
  }

  /**
   * Goes to the newest state, unless it is held. To be called before each read; what is read is good until
   * something is committed, or until the step ends.
   */
  look(): void {
    if (this.#holders > 0) return;
    this.#head.settle();
    this.#isUsed = true;
    if (!this.#slot.isTaken || this.#newest() !== this.#transaction) this.#advance();
  }

  /** Looks, and stays with that state until `letGo` is called as often. */
  hold(): void {
    this.look();
    this.#holders++;
  }

  letGo(): void {
    this.#holders--;
  }

  /** Of the state: LMDB's number of the transaction that made it. */
  get transaction(): number {
    return this.#transaction;
  }

  get isHeld(): boolean {
    return this.#holders > 0;
  }

  /** Keeps pages no longer than for those who hold the state: something was committed here. */
  release(): void {
    if (this.#holders === 0) this.#slot.release();
  }

  /** Where the tree of a table begins; undefined when it is empty or there is no such table. */
  rootOf(table: string): number | undefined {
    const key = Buffer.from(`${table}\0`);
    const page = new TreePage(this.map);
    page.enter(this.#mainRoot, this.lastPage);
    for (let depth = 1; !page.isLeaf; depth++) {
      if (depth > treeDepthMax) throw new PageFault('the tree of tables is in a circle');
      page.enter(page.child(page.childIndex(key, key.length)), this.lastPage);
    }
    const index = page.lowerBound(key, key.length);
    if (index >= page.count) return undefined;
    const node = page.node(index);
    return page.compare(node, key, key.length) === 0 ? page.tableRoot(node) : undefined;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#slot.close();
    this.map.close();
  }

  #take(): void {
    this.#slot.take();
    this.#timer ??= setTimeout(() => this.#rest(), readerIdleMs).unref();
  }

  #rest(): void {
    if (this.#isUsed || this.#holders > 0) {
      this.#isUsed = false;
      this.#timer?.refresh();
      return;
    }
    this.#timer = undefined;
    this.#slot.release();
  }

  /** The number of the newest transaction, by the meta pages. */
  #newest(): number {
    const { words } = this.map.part(0);
    return Math.max(transactionOf(words, 0), transactionOf(words, PAGE_BYTES));
  }

  #advance(): void {
    for (let tries = 1; ; tries++) {
      const newest = this.#head.number();
      this.#take();
      if (this.#newest() === newest && this.#enter(newest)) return;
      // Another process commits just now, or left the head behind.
      if (tries === stateTriesMax) throw new Error('no committed state stays the newest one');
      if (tries % TRIES_BEFORE_HEAD === 0) this.#head.putRight();
    }
  }

  /** Takes over what the meta page of the newest state says; false when a newer one came meanwhile. */
  #enter(transaction: number): boolean {
    if (transaction === this.#transaction) return true;
    const { words } = this.map.part(0);
    const meta = transactionOf(words, 0) === transaction ? 0 : PAGE_BYTES;
    const mainRoot = numberAt(words, meta + AT_MAIN_TREE + AT_TREE_ROOT);
    const lastPage = numberAt(words, meta + AT_LAST_PAGE);
    if (this.#newest() !== transaction) return false;
    this.#transaction = transaction;
    this.#mainRoot = mainRoot;
    this.lastPage = lastPage;
    this.version++;
    return true;
  }
}

const transactionOf = (words: Uint32Array, meta: number): number =>
  numberAt(words, meta + AT_TRANSACTION);

const numberAt = (words: Uint32Array, at: number): number =>
  (words[at >>> 2] ?? 0) + (words[(at >>> 2) + 1] ?? 0) * 0x1_0000_0000;
