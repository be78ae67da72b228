// Buffers for the blocks a write transaction works on, used again by the next: a load makes a block of every 38
// records or so, and memory outside of V8's heap, made and freed at that rate, costs collections of all of it.

import { blockRoomsMax } from '../../../shared/base/limits.js';
import { makeEmpty } from './block-writer.js';

export class BlockRooms {
  #rooms: Buffer[] = [];

  /** Room whose bytes mean nothing yet. */
  take(bytes: number): Buffer {
    const room = this.#rooms.pop();
    if (room?.length === bytes) return room;
    // Those of a file with other blocks: they go, before they are too many.
    if (room !== undefined) this.#rooms = [];
    return Buffer.allocUnsafeSlow(bytes);
  }

  /** An empty block. */
  takeEmpty(bytes: number): Buffer {
    return makeEmpty(this.take(bytes));
  }

  /** Nobody else may look at `room` any more. */
  give(room: Buffer): void {
    if (this.#rooms.length < blockRoomsMax) this.#rooms.push(room);
  }
}
