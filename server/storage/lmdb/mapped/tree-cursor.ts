// Walks over the entries of a tree in place, forward or back, from one key to another. The entry at hand is
// told by offsets, so nothing is made for one. A walk must end before the state is let go.

import { treeDepthMax } from '../../../../shared/base/limits.js';
import type { Direction } from '../../engine.js';
import type { PlaceRange } from '../../place.js';
import type { MappedPages } from './map-part.js';
import { PageFault, TreePage, type ValuePlace } from './tree-page.js';

/** A tree and the state it is of. */
export interface WalkedTree {
  /** The page of its root; undefined when it is empty or not there. */
  readonly root: number | undefined;
  readonly state: { readonly map: MappedPages; readonly lastPage: number };
}

export class TreeCursor {
  readonly #tree: WalkedTree;
  readonly #lastPage: number;
  readonly #isForward: boolean;
  /** The first key that is behind the range, in the direction of the walk; forward it is no part of it. */
  readonly #limit: Uint8Array | undefined;
  /** Pages from the root to the leaf at hand, and the node of each that the walk is in. */
  readonly #path: TreePage[] = [];
  readonly #indexes: number[] = [];
  #leaf: TreePage;
  #index = 0;
  /** All of the leaf at hand is in the range, so that no entry of it need be compared. */
  #isLeafInside = false;
  /** The node of the entry at hand. */
  #node = 0;
  readonly value: ValuePlace;

  constructor(tree: WalkedTree, { least, limit }: PlaceRange, direction: Direction) {
    this.#tree = tree;
    this.#lastPage = tree.state.lastPage;
    this.#isForward = direction === 'forward';
    this.#leaf = new TreePage(tree.state.map);
    this.#limit = this.#isForward ? limit : least;
    this.value = { part: this.#leaf.part, start: 0, end: 0 };
    this.#begin(this.#isForward ? least : limit);
  }

  /** Goes to the next entry; false when there is none in the range. */
  next(): boolean {
    if (this.#path.length === 0) return false;
    if (this.#isForward) {
      this.#index++;
      if (this.#index >= this.#leaf.count && !this.#turn(1)) return this.#end();
    } else {
      this.#index--;
      if (this.#index < 0 && !this.#turn(-1)) return this.#end();
    }
    this.#node = this.#leaf.node(this.#index);
    return this.#isLeafInside || this.#isInRange() || this.#end();
  }

  // Where the entry at hand is: `leaf.node(index)`. The next one in the page is `step` further on.

  get leaf(): TreePage {
    return this.#leaf;
  }

  get index(): number {
    return this.#index;
  }

  get step(): 1 | -1 {
    return this.#isForward ? 1 : -1;
  }

  /** Entries behind the one at hand that are in its page and in the range, as far as that is known. */
  get following(): number {
    if (!this.#isLeafInside) return 0;
    return this.#isForward ? this.#leaf.count - 1 - this.#index : this.#index;
  }

  /** Passes so many of those: the last of them is at hand then. */
  skip(count: number): void {
    this.#index += this.step * count;
    this.#node = this.#leaf.node(this.#index);
  }

  // The key of the entry at hand: keyBytes[keyStart, keyStart + keyLength).

  get keyBytes(): Buffer {
    return this.#leaf.part.bytes;
  }

  get keyStart(): number {
    return this.#leaf.keyStart(this.#node);
  }

  get keyLength(): number {
    return this.#leaf.keyLength(this.#node);
  }

  /** Puts down where the value of the entry at hand lies. */
  locateValue(): ValuePlace {
    this.#leaf.locateValue(this.#node, this.#lastPage, this.value);
    return this.value;
  }

  /** The first page of the value of the entry at hand, if that is out of line and has so many bytes. */
  valuePage(valueBytes: number): number | undefined {
    return this.#leaf.valuePage(this.#node, valueBytes);
  }

  /** Goes ahead of the first entry: forward that is the first one from `edge` on, back the last one before it. */
  #begin(edge: Uint8Array | undefined): void {
    const { root } = this.#tree;
    if (root === undefined) return;
    this.#descend(root, edge);
    const { count } = this.#leaf;
    if (edge !== undefined) this.#index = this.#leaf.lowerBound(edge, edge.length);
    else this.#index = this.#isForward ? 0 : count;
    // `next` makes one step in the direction of the walk.
    if (this.#isForward) this.#index--;
    this.#lookAtLeaf();
  }

  /** From page `number` down to the leaf in which `edge` is; without one to the first or last leaf. */
  #descend(number: number, edge: Uint8Array | undefined): void {
    for (let next = number; ; ) {
      const page = this.#pageAt(this.#path.length);
      this.#path.push(page);
      page.enter(next, this.#lastPage);
      if (page.isLeaf) {
        this.#leaf = page;
        this.#indexes.push(0);
        return;
      }
      let index = this.#isForward ? 0 : page.count - 1;
      if (edge !== undefined) index = page.childIndex(edge, edge.length);
      this.#indexes.push(index);
      next = page.child(index);
    }
  }

  /** Goes to the leaf behind or before the one at hand; false when there is none. */
  #turn(step: 1 | -1): boolean {
    let depth = this.#path.length - 2;
    for (; depth >= 0; depth--) {
      const index = (this.#indexes[depth] ?? 0) + step;
      const page = this.#path[depth];
      if (page === undefined || index < 0 || index >= page.count) continue;
      this.#path.length = depth + 1;
      this.#indexes.length = depth + 1;
      this.#indexes[depth] = index;
      const left = this.#leaf;
      this.#descend(page.child(index), undefined);
      this.#index = step > 0 ? 0 : this.#leaf.count - 1;
      if (step > 0) requireOrder(left, this.#leaf);
      else requireOrder(this.#leaf, left);
      this.#lookAtLeaf();
      return true;
    }
    return false;
  }

  #pageAt(depth: number): TreePage {
    if (depth >= treeDepthMax) throw new PageFault('a tree is in a circle');
    return new TreePage(this.#tree.state.map);
  }

  #lookAtLeaf(): void {
    const limit = this.#limit;
    if (limit === undefined) {
      this.#isLeafInside = true;
      return;
    }
    const last = this.#leaf.node(this.#isForward ? this.#leaf.count - 1 : 0);
    const order = this.#leaf.compare(last, limit, limit.length);
    this.#isLeafInside = this.#isForward ? order < 0 : order >= 0;
  }

  #isInRange(): boolean {
    const limit = this.#limit;
    if (limit === undefined) return true;
    const order = this.#leaf.compare(this.#node, limit, limit.length);
    return this.#isForward ? order < 0 : order >= 0;
  }

  #end(): false {
    this.#path.length = 0;
    return false;
  }
}

/** Leaves in their order: else a walk over damaged pages might come by the same ones again and again. */
function requireOrder(before: TreePage, behind: TreePage): void {
  const last = before.key(before.node(before.count - 1));
  const first = behind.key(behind.node(0));
  const isInOrder =
    before.compare(before.node(0), last, last.length) <= 0 &&
    behind.compare(behind.node(0), last, last.length) > 0 &&
    behind.compare(behind.node(behind.count - 1), first, first.length) >= 0;
  if (!isInOrder) throw new PageFault('keys are out of order');
}
