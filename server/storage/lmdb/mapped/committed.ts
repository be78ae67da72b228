// The newest committed state of a file, for reading in place (memory-map.ts): which transaction made it, and
// where the trees of its tables begin. A reader of LMDB, the slot, keeps its pages from being written anew.
//
//   at rest ──look()──▶ slot taken ──own commit, or no read for a while──▶ at rest
//
// `look` goes to whatever is newest by now, in one comparison when nothing is newer. LMDB reuses no page that
// any state since that of the slot has, so a state that is newer than the slot is as safe. While somebody
// holds the state (a scan), it stays what it is.

import { readerIdleMs, treeDepthMax } from '../../../../shared/base/limits.js';
import { PAGE_BYTES } from '../format.js';
import { AT_LAST_PAGE, AT_MAIN_TREE, AT_TRANSACTION, AT_TREE_ROOT } from '../page-file.js';
import type { MemoryMap } from './memory-map.js';
import type { ReaderSlot } from './reader-slot.js';
import { PageFault, TreePage } from './tree-page.js';

export class Committed {
  readonly map: MemoryMap;
  readonly #slot: ReaderSlot;
  /** Counts the states looked at. */
  version = 0;
  /** Of the state: nothing of it is behind this page. */
  lastPage = 0;
  #transaction = -1;
  #mainRoot = 0;
  #holders = 0;
  #isUsed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(map: MemoryMap, slot: ReaderSlot) {
    this.map = map;
    this.#slot = slot;
  }

  /** Goes to the newest state, unless it is held. To be called before each read; what is read is good until the step ends. */
  look(): void {
    if (this.#holders > 0) return;
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
    this.#take();
    const { words } = this.map.part(0);
    const first = transactionOf(words, 0);
    const second = transactionOf(words, PAGE_BYTES);
    if (this.#transaction === Math.max(first, second)) return;
    const meta = second > first ? PAGE_BYTES : 0;
    this.#transaction = Math.max(first, second);
    this.#mainRoot = numberAt(words, meta + AT_MAIN_TREE + AT_TREE_ROOT);
    // Another process may be writing the newer one at this moment: its last page is the later one.
    this.lastPage = Math.max(
      numberAt(words, AT_LAST_PAGE),
      numberAt(words, PAGE_BYTES + AT_LAST_PAGE),
    );
    this.version++;
  }
}

const transactionOf = (words: Uint32Array, meta: number): number =>
  numberAt(words, meta + AT_TRANSACTION);

const numberAt = (words: Uint32Array, at: number): number =>
  (words[at >>> 2] ?? 0) + (words[(at >>> 2) + 1] ?? 0) * 0x1_0000_0000;
