// Frames of records as scans and selects fill them, their buffers, and the rooms records come from.

import t from 'tap';
import {
  frameBuffersKept,
  giveFrameBuffer,
  takeFrameBuffer,
} from '../../../server/operation/frame-buffers.js';
import { makeFrame } from '../../../server/operation/record-frame.js';
import { makeRoom, RoomCopier } from '../../../server/storage/room.js';
import { frameBuffersKeptMax, streamFrameBytes } from '../../../shared/base/limits.js';

t.test('a frame takes records until it is full, and at least one', async (t) => {
  const record = Buffer.from('x0123456789x');
  const fixed = makeFrame(10);
  while (fixed.add(record, 1, 11));
  t.equal(fixed.count, Math.floor(streamFrameBytes / 10));
  const { records, recordLength } = fixed.reply();
  t.equal(recordLength, 10);
  t.equal(Buffer.from(records).toString(), '0123456789'.repeat(fixed.count));
  for (const size of [2 * streamFrameBytes, 0, 'as they are'] as const) {
    const large = makeFrame(size);
    const bytes = Buffer.alloc(2 * streamFrameBytes, 'y');
    t.equal(large.add(bytes, 0, bytes.length), true);
    t.equal(large.add(bytes, 0, bytes.length), false);
    t.ok(Buffer.from(large.reply().records).subarray(-bytes.length).equals(bytes));
  }
});

t.test(
  'a buffer is used again when what lies in it was written, and so many are kept',
  async (t) => {
    const buffer = takeFrameBuffer();
    giveFrameBuffer(buffer.subarray(0, 20_000));
    t.equal(takeFrameBuffer(), buffer);
    giveFrameBuffer(buffer);
    giveFrameBuffer(buffer);
    const two = [takeFrameBuffer(), takeFrameBuffer()];
    t.not(two[0], two[1], 'given twice, kept once');
    const many = Array.from({ length: frameBuffersKeptMax + 5 }, takeFrameBuffer);
    for (const each of many) giveFrameBuffer(each);
    t.equal(frameBuffersKept(), frameBuffersKeptMax);
    giveFrameBuffer(Buffer.alloc(20_000));
    t.equal(frameBuffersKept(), frameBuffersKeptMax, 'a stranger is not kept');
  },
);

t.test('pieces of a room are copied as they are now, whatever lay there before', async (t) => {
  const room = makeRoom(100);
  const target = Buffer.alloc(20);
  const copier = new RoomCopier();
  for (const [fill, start, end] of [
    ['a', 10, 20],
    ['b', 10, 20],
    ['c', 10, 13],
    ['d', 0, 20],
  ] as const) {
    room.fill(fill);
    target.fill('-');
    copier.copy(room, start, end, target, 0);
    t.equal(target.toString(), fill.repeat(end - start).padEnd(20, '-'));
  }
  copier.copy(Buffer.from('no room'), 3, 7, target, 16);
  t.equal(target.toString(), `${'d'.repeat(16)}room`);
});
