// One table of the newest committed state: a tree of LMDB, read in place. `find` looks up one entry;
// `tree-cursor.ts` walks.

import { treeDepthMax } from '../../../../shared/base/limits.js';
import type { Committed } from './committed.js';
import { PageFault, TreePage, type ValuePlace } from './tree-page.js';

export class Tree {
  readonly #state: Committed;
  readonly #name: string;
  readonly #page: TreePage;
  /** Where the value of the entry found last lies: good as long as the state is kept. */
  readonly value: ValuePlace;
  /** Which node of the leaf that is. */
  nodeIndex = 0;
  #root: number | undefined;
  /** Of the state whose root it is. */
  #version = -1;

  constructor(state: Committed, name: string) {
    this.#state = state;
    this.#name = name;
    this.#page = new TreePage(state.map);
    this.value = { part: this.#page.part, start: 0, end: 0 };
  }

  /** The page of its root; undefined when it is empty or not there. */
  get root(): number | undefined {
    if (this.#version !== this.#state.version) {
      this.#root = this.#state.rootOf(this.#name);
      this.#version = this.#state.version;
    }
    return this.#root;
  }

  /** The leaf of the entry found last. */
  get leaf(): TreePage {
    return this.#page;
  }

  get state(): Committed {
    return this.#state;
  }

  /** True when there is an entry of this key; its value is at `value` then. */
  find(key: Uint8Array): boolean {
    const page = this.#page;
    if (!this.#enterRoot()) return false;
    for (let depth = 1; !page.isLeaf; depth++) {
      this.#descend(depth, page.childIndex(key, key.length));
    }
    return this.#isAt(page.lowerBound(key, key.length), key);
  }

  /** The same where keys are numbers: `key` is that of `number`. */
  findNumber(number: number, key: Uint8Array): boolean {
    const page = this.#page;
    if (!this.#enterRoot()) return false;
    for (let depth = 1; !page.isLeaf; depth++) {
      this.#descend(depth, page.childIndexOfNumber(number, key));
    }
    return this.#isAt(page.lowerBoundOfNumber(number, key), key);
  }

  /** Levels of pages; 0 when it is empty. */
  depth(): number {
    let number = this.root;
    let depth = 0;
    for (; number !== undefined; depth++) {
      if (depth > treeDepthMax) throw new PageFault('a tree is in a circle');
      this.#page.enter(number, this.#state.lastPage);
      number = this.#page.isLeaf ? undefined : this.#page.child(0);
    }
    return depth;
  }

  /** The value found last, as a view: good as long as the state is kept. */
  view(): Buffer {
    const { part, start, end } = this.value;
    return part.bytes.subarray(start, end);
  }

  #enterRoot(): boolean {
    const { root } = this;
    if (root === undefined) return false;
    this.#page.enter(root, this.#state.lastPage);
    return true;
  }

  #descend(depth: number, index: number): void {
    if (depth > treeDepthMax) throw new PageFault('a tree is in a circle');
    this.#page.enter(this.#page.child(index), this.#state.lastPage);
  }

  #isAt(index: number, key: Uint8Array): boolean {
    const page = this.#page;
    if (index >= page.count) return false;
    const node = page.node(index);
    if (page.compare(node, key, key.length) !== 0) return false;
    this.nodeIndex = index;
    page.locateValue(node, this.#state.lastPage, this.value);
    return true;
  }
}
