// Remembers which blocks of a file were found to agree with their checksums, and under which checksum, so
// that scans with a filter do not work it out again for every block they only pass. A block that was
// written since has another checksum in its header and is proven anew. Records that are given out are
// checked every time all the same. One for each open file, shared with the thread that helps scans; at most
// `provenBlocksMax` × 4 bytes.

import { provenBlocksMax } from '../../../shared/base/limits.js';

const CAPACITY_MIN = 1024;

/** Checksums by block number; 0: not proven. A block whose checksum is 0 never is. */
export type ProvenBlocks = Uint32Array<SharedArrayBuffer>;

export class ScanProof {
  #checksums: ProvenBlocks;
  readonly #blocksMax: number;

  constructor(blocksMax = provenBlocksMax) {
    this.#blocksMax = blocksMax;
    this.#checksums = makeProven(0);
  }

  /** Was the block proven under the checksum that its header has now? */
  has(block: number, checksum: number): boolean {
    return isProven(this.#checksums, block, checksum);
  }

  /** Blocks past the bound are not remembered, and so proven each time. */
  add(block: number, checksum: number): void {
    if (block >= this.#blocksMax) return;
    if (block >= this.#checksums.length) this.#grow(block + 1);
    this.#checksums[block] = checksum;
  }

  /** What is remembered, with room for the blocks up to and without `nextBlock`; another thread may add to it. */
  shared(nextBlock: number): ProvenBlocks {
    const needed = Math.min(nextBlock, this.#blocksMax);
    if (needed > this.#checksums.length) this.#grow(needed);
    return this.#checksums;
  }

  #grow(needed: number): void {
    const capacity = Math.max(needed, 2 * this.#checksums.length, CAPACITY_MIN);
    const grown = makeProven(Math.min(capacity, this.#blocksMax));
    grown.set(this.#checksums);
    this.#checksums = grown;
  }
}

export const isProven = (proven: ProvenBlocks, block: number, checksum: number): boolean =>
  checksum !== 0 && proven[block] === checksum;

const makeProven = (blocks: number): ProvenBlocks =>
  new Uint32Array(new SharedArrayBuffer(4 * blocks));
