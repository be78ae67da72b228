// Rooms: buffers that a scan uses again for each block it copies. Records begin at the same few places of one
// block after another, so views of them are worth keeping: to make a view costs more than to copy a record.

/** Views kept of a room, by where they begin. */
type Views = (Uint8Array | undefined)[];

const viewsOfRooms = new WeakMap<Uint8Array, Views>();

export function makeRoom(bytes: number): Buffer {
  const room = Buffer.allocUnsafeSlow(bytes);
  viewsOfRooms.set(room, new Array<Uint8Array | undefined>(bytes));
  return room;
}

/** Copies pieces of buffers; of rooms without making anything. */
export class RoomCopier {
  #source: Uint8Array | undefined;
  #views: Views | undefined;

  /** Copies `source[start, end)` to `target`, where there is room for it, from `at` on. */
  copy(source: Buffer, start: number, end: number, target: Buffer, at: number): void {
    if (source !== this.#source) {
      this.#source = source;
      this.#views = viewsOfRooms.get(source);
    }
    const views = this.#views;
    if (views === undefined) {
      source.copy(target, at, start, end);
      return;
    }
    let view = views[start];
    if (view === undefined || view.length !== end - start) {
      view = source.subarray(start, end);
      views[start] = view;
    }
    target.set(view, at);
  }
}
