// Which copies of blocks a scan finds again, how many are kept, and that nobody gets what is in use.

import t from 'tap';
import type { ScanCursor } from '../../../../server/storage/engine.js';
import { BlockCopies } from '../../../../server/storage/lmdb/block-copies.js';
import { blockCopiesMax } from '../../../../shared/base/limits.js';

const edge = { prefix: Buffer.alloc(0), side: 'before' } as const;
const scan = (): ScanCursor => ({ order: 0, direction: 'forward', from: edge, until: edge });

t.test('a scan finds the copy it gave last, with its block', (t) => {
  const copies = new BlockCopies(4072);
  const [one, other] = [scan(), scan()];
  const copy = copies.take(one);
  t.equal(copy.bytes.length, 4072);
  t.equal(copy.block, 0, 'of no block at first');
  copy.block = 7;
  copies.give(copy);
  const another = copies.take(other);
  t.not(another.bytes, copy.bytes);
  copies.give(another);
  t.equal(copies.take(one), copy);
  t.equal(copy.block, 7);
  t.not(copies.take(one).bytes, copy.bytes, 'not while it is in use');
  t.end();
});

t.test('what a scan that is over has left serves the next, as a copy of no block', (t) => {
  const copies = new BlockCopies(4072);
  const copy = copies.take(scan());
  Object.assign(copy, { block: 7, scan: undefined });
  copies.give(copy);
  const next = scan();
  t.equal(copies.take(next), copy);
  t.match(copy, { block: 0, scan: next });
  t.end();
});

t.test('keeps so many, those given last', (t) => {
  const copies = new BlockCopies(4072);
  const scans = Array.from({ length: blockCopiesMax + 2 }, scan);
  const taken = scans.map((cursor) => Object.assign(copies.take(cursor), { block: 7 }));
  for (const copy of taken) copies.give(copy);
  t.equal(copies.take(scan()), taken[2], 'the oldest of them is used again');
  for (const [n, cursor] of scans.entries()) {
    if (n > 2) t.equal(copies.take(cursor), taken[n]);
  }
  const again = copies.take(scans[0] ?? scan());
  t.notOk(
    taken.some(({ bytes }) => bytes === again.bytes),
    'those before are gone',
  );
  t.end();
});
