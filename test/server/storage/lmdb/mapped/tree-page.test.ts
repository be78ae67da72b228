// Pages that cannot be: each is told as damage, and nothing outside of the file is looked at.

import t from 'tap';
import {
  type MapPart,
  type MappedPages,
  NOTHING,
} from '../../../../../server/storage/lmdb/mapped/map-part.js';
import { TreePage } from '../../../../../server/storage/lmdb/mapped/tree-page.js';

const PAGE = 4096;
const HEADER = 24;
const FAULT = { code: -30796 };

/** A file of three pages; the last one is a page of a tree with one node, as `change` makes it. */
function pageOf(flags: number, change: (page: Buffer) => void = () => undefined): TreePage {
  const buffer = new ArrayBuffer(3 * PAGE);
  const bytes = Buffer.from(buffer);
  const page = bytes.subarray(2 * PAGE);
  page.writeUInt32LE(2, 0);
  page.writeUInt16LE(flags, 18);
  page.writeUInt16LE(2, 20);
  page.writeUInt16LE(PAGE - HEADER - 100, HEADER);
  // Node: value of 10 bytes, key of 3.
  const node = PAGE - 100;
  page.writeUInt16LE(10, node);
  page.writeUInt16LE(3, node + 6);
  page.write('abc', node + 8);
  page.write('0123456789', node + 11);
  change(page);
  const part: MapPart = {
    bytes,
    halves: new Uint16Array(buffer),
    words: new Uint32Array(buffer),
  };
  const map: MappedPages = {
    part: (number) => (number < 3 ? part : NOTHING),
    has: (number) => number < 3,
    offsetOf: (number) => number * PAGE,
  };
  return new TreePage(map);
}

const LEAF = 2;
const place = { part: NOTHING, start: 0, end: 0 };

t.test('a page that is sound', (t) => {
  const page = pageOf(LEAF);
  page.enter(2, 2);
  t.equal(page.count, 1);
  t.equal(page.lowerBound(Buffer.from('abc'), 3), 0);
  page.locateValue(page.node(0), 2, place);
  t.equal(place.part.bytes.toString('latin1', place.start, place.end), '0123456789');
  t.end();
});

t.test('what is no page of a tree', (t) => {
  for (const [what, change] of Object.entries<(page: Buffer) => void>({
    'another number': (page) => page.writeUInt32LE(1, 0),
    'a page of a value': (page) => page.writeUInt16LE(4, 18),
    'both leaf and branch': (page) => page.writeUInt16LE(3, 18),
    'no nodes': (page) => page.writeUInt16LE(0, 20),
    'more nodes than fit': (page) => page.writeUInt16LE(0xffff, 20),
  })) {
    t.throws(() => pageOf(LEAF, change).enter(2, 2), FAULT, what);
  }
  t.throws(() => pageOf(LEAF).enter(2, 1), FAULT, 'behind the last page');
  t.throws(() => pageOf(LEAF).enter(3, 9), FAULT, 'behind the end of the file');
  t.throws(() => pageOf(LEAF).enter(2 ** 32 + 2, 2 ** 40), FAULT, 'a number of the same low half');
  t.end();
});

t.test('nodes, keys and values that reach out of their page, the last one of the file', (t) => {
  const node = PAGE - 100;
  const read = (change: (page: Buffer) => void) => (): void => {
    const page = pageOf(LEAF, change);
    page.enter(2, 2);
    page.lowerBound(Buffer.from('abc'), 3);
    page.locateValue(page.node(0), 3, place);
  };
  const changes: Record<string, (page: Buffer) => void> = {
    'a node': (page) => page.writeUInt16LE(0xfff0, HEADER),
    'a node, by a byte': (page) => page.writeUInt16LE(PAGE - HEADER - 7, HEADER),
    'a key': (page) => page.writeUInt16LE(93, node + 6),
    'a value': (page) => page.writeUInt32LE(90, node),
    'a value of 4 GB': (page) => page.writeUInt32LE(0xffff_ffff, node),
    'the page number of a value': (page) => {
      page.writeUInt16LE(1, node + 4);
      page.writeUInt16LE(85, node + 6);
    },
    'a kind that there is not': (page) => page.writeUInt16LE(8, node + 4),
    'a value behind the last page': (page) => {
      page.writeUInt16LE(1, node + 4);
      page.writeUInt32LE(2 * PAGE, node);
      page.writeBigUInt64LE(2n, node + 11);
    },
    'a value behind the end of the file': (page) => {
      page.writeUInt16LE(1, node + 4);
      page.writeUInt32LE(PAGE, node);
      page.writeBigUInt64LE(2n, node + 11);
    },
    'a value on another page': (page) => {
      page.writeUInt16LE(1, node + 4);
      page.writeBigUInt64LE(1n, node + 11);
    },
    'a value at the end of all numbers': (page) => {
      page.writeUInt16LE(1, node + 4);
      page.writeBigUInt64LE(2n ** 64n - 1n, node + 11);
    },
  };
  for (const [what, change] of Object.entries(changes)) t.throws(read(change), FAULT, what);
  t.end();
});

t.test('a table whose tree reaches out of its page, or is none', (t) => {
  const node = PAGE - 100;
  const rootOf = (flags: number, keyLength: number) => (): number | undefined => {
    const page = pageOf(LEAF, (bytes) => {
      bytes.writeUInt16LE(flags, node + 4);
      bytes.writeUInt16LE(keyLength, node + 6);
    });
    page.enter(2, 2);
    return page.tableRoot(page.node(0));
  };
  t.equal(rootOf(2, 3)(), 0);
  t.throws(rootOf(0, 3), FAULT);
  t.throws(rootOf(2, 45), FAULT);
  t.throws(rootOf(2, 93), FAULT);
  t.end();
});

t.test('children that are guessed from numbers with gaps of any kind', (t) => {
  const page = pageOf(1, (bytes) => {
    const numbers = [0, 5, 5, 9, 4];
    bytes.writeUInt16LE(2 * numbers.length, 20);
    for (const [index, number] of numbers.entries()) {
      const at = PAGE - 200 + index * 20;
      bytes.writeUInt16LE(at - HEADER, HEADER + 2 * index);
      bytes.writeUInt16LE(index === 0 ? 0 : 5, at + 6);
      bytes.writeUInt8(number, at + 12);
    }
  });
  page.enter(2, 2);
  for (let number = 0; number < 12; number++) {
    const index = page.childIndexOfNumber(number, Buffer.from([0, 0, 0, 0, number]));
    t.ok(index >= 0 && index < page.count, `${number}: ${index}`);
  }
  t.end();
});
