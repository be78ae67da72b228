// Pages of a file, read from it one by one: those of the tree of blocks, which are few and looked at again and again.
// For one state only; what is not there is an empty part, which no page can be.

import { readSync } from 'node:fs';
import { unmappedPagesMax } from '../../../../shared/base/limits.js';
import { PAGE_BYTES } from '../format.js';
import { type MapPart, type MappedPages, NOTHING, partOf } from '../mapped/map-part.js';

export class DiskPages implements MappedPages {
  readonly #fd: number;
  readonly #lastPage: number;
  readonly #known = new Map<number, MapPart>();

  constructor(fd: number, lastPage: number) {
    this.#fd = fd;
    this.#lastPage = lastPage;
  }

  part(page: number): MapPart {
    return this.#known.get(page) ?? this.#read(page);
  }

  /** Each page is a part of its own. */
  offsetOf(_page: number): number {
    return 0;
  }

  has(page: number): boolean {
    return page <= this.#lastPage;
  }

  #read(page: number): MapPart {
    const bytes = Buffer.allocUnsafeSlow(PAGE_BYTES);
    const isThere =
      this.has(page) && readSync(this.#fd, bytes, 0, PAGE_BYTES, page * PAGE_BYTES) === PAGE_BYTES;
    if (!isThere) return NOTHING;
    if (this.#known.size >= unmappedPagesMax) this.#known.clear();
    const part = partOf(bytes);
    this.#known.set(page, part);
    return part;
  }
}
