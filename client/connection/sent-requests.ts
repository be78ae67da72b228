// The requests of one link that were sent and are not answered yet, by their ids. The exchange keeps it.
//
//   slot = id modulo slots        | 64 | 1 | – | 3 | – | – | … |        ids count up, and pass over taken slots
//
// Not a Map: one whose entries come and go is copied again and again, and V8 lets an old copy that has
// outlived a collection keep all later ones, with the calls in them. At 64 in flight that was a third of
// the client's CPU.

import { REQUEST_ID_MAX } from '../../shared/protocol/frame.js';

/** What has a place here: `id` is the table's to set, and 0 while it has none. */
export interface Sent {
  id: number;
}

const SLOTS_MIN = 64;

export class SentRequests<S extends Sent> {
  #slots: (S | undefined)[] = emptySlots(SLOTS_MIN);
  #size = 0;
  #lastId = 0;

  get size(): number {
    return this.#size;
  }

  /** Gives `request` an id that no other has. Zero is nobody's: errors about the connection carry it. */
  add(request: S): void {
    if (2 * this.#size >= this.#slots.length) this.#grow();
    do {
      this.#lastId = this.#lastId === REQUEST_ID_MAX ? 1 : this.#lastId + 1;
    } while (this.#slots[this.#slotOf(this.#lastId)] !== undefined);
    request.id = this.#lastId;
    this.#slots[this.#slotOf(request.id)] = request;
    this.#size++;
  }

  get(id: number): S | undefined {
    const request = this.#slots[this.#slotOf(id)];
    return request?.id === id ? request : undefined;
  }

  /** Takes its place and its id from a request that is in here. */
  delete(request: S): void {
    this.#slots[this.#slotOf(request.id)] = undefined;
    this.#size--;
    request.id = 0;
  }

  /** A copy, the oldest first. */
  all(): S[] {
    const { length } = this.#slots;
    const fromOldest = (_: unknown, index: number) =>
      this.#slots[(this.#lastId + 1 + index) % length];
    return Array.from({ length }, fromOldest).filter((request) => request !== undefined);
  }

  #slotOf(id: number): number {
    return id % this.#slots.length;
  }

  /** At most half full, so that a free slot is near. */
  #grow(): void {
    const requests = this.all();
    this.#slots = emptySlots(2 * this.#slots.length);
    for (const request of requests) this.#slots[this.#slotOf(request.id)] = request;
  }
}

const emptySlots = <S>(slots: number): (S | undefined)[] => new Array(slots).fill(undefined);
