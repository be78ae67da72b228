// The matches of one part that the thread found, on their way into an answer: each is checked by its own checksum and
// put to the filter once more, then visited as a scan would. In between, and in the end, the cursor is where a scan
// would have left it.

import { makeRfa, recordCrc } from '../../shared/record/rfa.js';
import type { ScanCursor, ScanFilter, ScanVisitor } from '../storage/engine.js';
import { addressBlock, addressSlot, makeAddress } from '../storage/lmdb/address.js';
import type { Board, Found, FoundMatch } from './board.js';
import { firstBlockOf } from './course.js';

/** `stopped`: the visitor said false. `bad`: what is there is no match, and nobody can go on by it. */
export type Taken = 'through' | 'stopped' | 'bad';

export class Taking {
  readonly #board: Board;
  readonly #found: Found;
  readonly #first: number;
  readonly #behind: number;
  readonly #address = { block: 0, slot: 0 };
  /** Matches taken, and where the next one is. */
  #taken = 0;
  #at: number;
  /** Records counted at the cursor. */
  #counted = 0;

  constructor(board: Board, part: number, found: Found) {
    this.#board = board;
    this.#found = found;
    this.#first = makeAddress(firstBlockOf(part), 0);
    this.#behind = makeAddress(firstBlockOf(part + 1), 0);
    this.#at = found.at;
  }

  /** Matches that are left. */
  get left(): number {
    return this.#found.count - this.#taken;
  }

  take(cursor: ScanCursor, visit: ScanVisitor, filter: ScanFilter | undefined): Taken {
    let passed = this.#first - 1;
    let looked = this.#counted;
    const { bytes } = this.#board;
    try {
      while (this.left > 0) {
        const match = this.#sound(this.#board.match(this.#at));
        if (match === undefined) return 'bad';
        const { start, end } = match;
        const address = this.#first + match.address;
        this.#address.block = addressBlock(address);
        this.#address.slot = addressSlot(address);
        // What is ahead of it was passed, whatever the visitor says.
        passed = address - 1;
        looked = match.looked - 1;
        const isWanted = filter === undefined || filter(bytes, start, end);
        if (isWanted && !visit(bytes, start, end, this.#address)) return 'stopped';
        this.#taken++;
        this.#at = match.next;
        passed = address;
        looked = match.looked;
      }
      passed = this.#behind - 1;
      looked = this.#found.looked;
      return 'through';
    } finally {
      if (passed >= this.#first) this.#move(cursor, passed, looked);
    }
  }

  #sound(match: FoundMatch | undefined): FoundMatch | undefined {
    if (match === undefined) return undefined;
    const record = this.#board.bytes.subarray(match.start, match.end);
    return recordCrc(record) === match.crc ? match : undefined;
  }

  /** Behind this address, where so many records of the part were looked at. */
  #move(cursor: ScanCursor, address: number, looked: number): void {
    cursor.looked = (cursor.looked ?? 0) + looked - this.#counted;
    cursor.rfa = makeRfa(addressBlock(address), addressSlot(address));
    this.#counted = looked;
  }
}
