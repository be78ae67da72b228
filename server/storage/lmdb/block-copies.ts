// Copies of blocks that scans have at hand, each in a room (room.ts). Between two calls of a scan its copy stays
// what it is, so that a call that begins within a block neither copies nor checks that anew. A file keeps a few;
// a scan that finds its own gone makes another.

import { blockCopiesMax } from '../../../shared/base/limits.js';
import type { ScanCursor } from '../engine.js';
import { makeRoom } from '../room.js';
import { checkedPart } from './block-reader.js';

export interface BlockCopy {
  readonly bytes: Buffer;
  readonly checkedPart: Buffer;
  /** The block it is a copy of, 0 for none; in which state of the file (`Committed.version`). */
  block: number;
  version: number;
  /** Whether it agrees with its checksum; undefined while nobody has asked. */
  isIntact: boolean | undefined;
  /** The scan it is for; undefined: that is over. */
  scan: ScanCursor | undefined;
}

export class BlockCopies {
  readonly #blockBytes: number;
  /** Those given last are at the end. */
  readonly #kept: BlockCopy[] = [];

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes;
  }

  /** The copy that `scan` gave last, or one of no block; nobody else's until it is given. */
  take(scan: ScanCursor): BlockCopy {
    const own = this.#takeOf(scan);
    if (own !== undefined) return own;
    const isFull = this.#kept.length === blockCopiesMax;
    const other = this.#takeOf(undefined) ?? (isFull ? this.#kept.shift() : undefined);
    if (other !== undefined) return Object.assign(other, { scan, block: 0 });
    const bytes = makeRoom(this.#blockBytes);
    return {
      bytes,
      checkedPart: checkedPart(bytes),
      block: 0,
      version: 0,
      isIntact: undefined,
      scan,
    };
  }

  give(copy: BlockCopy): void {
    if (this.#kept.length === blockCopiesMax) this.#kept.shift();
    this.#kept.push(copy);
  }

  #takeOf(scan: ScanCursor | undefined): BlockCopy | undefined {
    const at = this.#kept.findIndex((copy) => copy.scan === scan);
    return at < 0 ? undefined : this.#kept.splice(at, 1)[0];
  }
}
