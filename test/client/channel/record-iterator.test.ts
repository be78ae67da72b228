// Lists of records out of frames: cut in one go or decoded one by one, they are the same.

import t from 'tap';
import { RecordIterator } from '../../../client/channel/record-iterator.js';
import { RAW_SHAPE } from '../../../client/channel/record-shape.js';
import type { DataReply } from '../../../shared/protocol/message.js';

/** Frames of `counts` records of 3 bytes, each its number; not at the beginning of their memory. */
async function* framesOf(counts: readonly number[]): AsyncGenerator<DataReply, undefined> {
  let number = 0;
  for (const count of counts) {
    const memory = Buffer.alloc(5 + 3 * count, '-');
    for (let n = 0; n < count; n++) memory.writeUIntBE(number++, 5 + 3 * n, 3);
    yield { verb: 'data', recordLength: 3, records: memory.subarray(5) };
  }
  return undefined;
}

const numbers = (records: readonly Buffer[]): number[] =>
  records.map((record) => {
    if (record.length !== 3) throw new Error(`a record of ${record.length} bytes`);
    return record.readUIntBE(0, 3);
  });

for (const cut of [undefined, RAW_SHAPE.cut]) {
  const way = cut === undefined ? 'decoded' : 'cut';

  t.test(`lists of records that are ${way}`, async (t) => {
    const iterator = new RecordIterator(framesOf([2, 1, 300]), RAW_SHAPE.decode, cut);
    const lists: number[][] = [];
    for await (const records of iterator.batches()) lists.push(numbers(records));
    t.same(
      lists.map((list) => list.length),
      [2, 1, 300],
    );
    t.same(
      lists.flat(),
      Array.from({ length: 303 }, (_, n) => n),
    );
  });

  t.test(`what is left of a frame, of records that are ${way}`, async (t) => {
    const iterator = new RecordIterator(framesOf([5]), RAW_SHAPE.decode, cut);
    const first = await iterator.next();
    t.same(numbers([first.value ?? Buffer.alloc(0)]), [0]);
    for await (const records of iterator.batches()) t.same(numbers(records), [1, 2, 3, 4]);
  });

  t.test(`records of any length, where others are ${way}`, async (t) => {
    async function* frames(): AsyncGenerator<DataReply, undefined> {
      const records = Buffer.from('\0\0\0\x02ab\0\0\0\0\0\0\0\x01c', 'latin1');
      yield { verb: 'data', recordLength: 0, records };
      return undefined;
    }
    const iterator = new RecordIterator(frames(), RAW_SHAPE.decode, cut);
    for await (const records of iterator.batches()) t.same(records.map(String), ['ab', '', 'c']);
  });
}
