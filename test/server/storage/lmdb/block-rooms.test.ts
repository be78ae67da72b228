// Which buffers of blocks are used again, how many are kept, and that nothing of the last block is in them.

import t from 'tap';
import { BlockRooms } from '../../../../server/storage/lmdb/block-rooms.js';
import { emptyBlock } from '../../../../server/storage/lmdb/block-writer.js';
import { blockRoomsMax } from '../../../../shared/base/limits.js';

t.test('gives a buffer out again, as an empty block', async (t) => {
  const rooms = new BlockRooms();
  const first = rooms.take(4072);
  first.fill('secret');
  rooms.give(first);
  const again = rooms.takeEmpty(4072);
  t.equal(again.buffer, first.buffer);
  t.same(again, emptyBlock(4072));
  t.not(rooms.take(4072).buffer, first.buffer, 'not while it is in use');
});

t.test('gives no buffer of another size', async (t) => {
  const rooms = new BlockRooms();
  rooms.give(Buffer.alloc(4072));
  t.equal(rooms.take(8168).length, 8168);
  t.equal(rooms.take(4072).length, 4072);
});

t.test('keeps so many and no more', async (t) => {
  const rooms = new BlockRooms();
  const given = Array.from({ length: blockRoomsMax + 1 }, () => Buffer.alloc(64));
  for (const room of given) rooms.give(room);
  const kept = new Set<ArrayBufferLike>(given.slice(0, blockRoomsMax).map(({ buffer }) => buffer));
  for (let left = blockRoomsMax; left > 0; left--) kept.delete(rooms.take(64).buffer);
  t.equal(kept.size, 0);
  t.notOk(given.some(({ buffer }) => buffer === rooms.take(64).buffer));
});
