// Buffers for frames of records, used again once the socket has written them. Frames made anew would be freed
// by the garbage collector alone, and it would go over everything for every 64 MB that a scan sends.

import { frameBuffersKeptMax, streamFrameBytes } from '../../shared/base/limits.js';
import { DATA_ROOM_BYTES } from '../../shared/protocol/stream.js';

const FRAME_BYTES = DATA_ROOM_BYTES + streamFrameBytes;

const free: Buffer[] = [];
/** Buffers that were lent, by what is behind them and all views of them. */
const lent = new WeakMap<ArrayBufferLike, Buffer>();

/** Buffers at hand for the next frames. */
export const frameBuffersKept = (): number => free.length;

/** Room for a frame. Who never gives it back leaves it to the garbage collector. */
export function takeFrameBuffer(): Buffer {
  const buffer = free.pop() ?? Buffer.allocUnsafeSlow(FRAME_BYTES);
  lent.set(buffer.buffer, buffer);
  return buffer;
}

/** Whoever wrote `piece` has done with it: when it lies in a lent buffer, that may be used again. */
export function giveFrameBuffer(piece: Buffer): void {
  const buffer = lent.get(piece.buffer);
  if (buffer === undefined) return;
  lent.delete(piece.buffer);
  if (free.length < frameBuffersKeptMax) free.push(buffer);
}
