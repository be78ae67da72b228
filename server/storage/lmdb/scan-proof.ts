// Remembers which blocks of a file were found to agree with their checksums, and under which checksum, so
// that scans with a filter do not work it out again for every block they only pass. A block that was
// written since has another checksum in its header and is proven anew. Records that are given out are
// checked every time all the same. One for each open file; at most `provenBlocksMax` × 4 bytes.

import { provenBlocksMax } from '../../../shared/base/limits.js';

const CAPACITY_MIN = 1024;

export class ScanProof {
  /** Checksums by block number; 0: not proven. A block whose checksum is 0 never is. */
  #checksums = new Uint32Array(0);
  readonly #blocksMax: number;

  constructor(blocksMax = provenBlocksMax) {
    this.#blocksMax = blocksMax;
  }

  /** Was the block proven under the checksum that its header has now? */
  has(block: number, checksum: number): boolean {
    return checksum !== 0 && this.#checksums[block] === checksum;
  }

  /** Blocks past the bound are not remembered, and so proven each time. */
  add(block: number, checksum: number): void {
    if (block >= this.#blocksMax) return;
    if (block >= this.#checksums.length) this.#grow(block + 1);
    this.#checksums[block] = checksum;
  }

  #grow(needed: number): void {
    const capacity = Math.max(needed, 2 * this.#checksums.length, CAPACITY_MIN);
    const grown = new Uint32Array(Math.min(capacity, this.#blocksMax));
    grown.set(this.#checksums);
    this.#checksums = grown;
  }
}
