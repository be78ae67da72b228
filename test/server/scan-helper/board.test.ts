// The memory that a walk and its helper share: what one writes the other reads, and its bounds.

import t from 'tap';
import { Board, HelperBoard } from '../../../server/scan-helper/board.js';
import { helpedMatchBytesMax, helpedWindowParts } from '../../../shared/base/limits.js';
import { recordCrc } from '../../../shared/record/rfa.js';

const matchOf = (text: string, looked: number) => {
  const bytes = Buffer.from(`--${text}--`);
  const crc = recordCrc(Buffer.from(text));
  return { bytes, start: 2, end: 2 + text.length, crc, block: 1, slot: 0, looked };
};

function textsOf(board: Board, part: number): string[] | undefined {
  const found = board.found(part);
  if (found === undefined) return undefined;
  let { at } = found;
  return Array.from({ length: found.count }, () => {
    const match = board.match(at);
    if (match === undefined) return 'none';
    at = match.next;
    const { address, looked, crc, start, end } = match;
    const record = board.bytes.subarray(start, end);
    return `${address} ${looked} ${record} ${crc === recordCrc(record)}`;
  });
}

t.test('what the thread reports of a part the walk finds', async (t) => {
  const board = new Board(3);
  const helper = new HelperBoard(board.memory);
  t.equal(helper.position, 3);
  helper.turn();
  helper.begin(7);
  t.ok(helper.add(5, matchOf('one', 6)));
  t.ok(helper.add(9, matchOf('another', 8)));
  t.equal(board.found(7), undefined, 'not before all of it is there');
  helper.report(7, 40);
  t.same(textsOf(board, 7), ['5 6 one true', '9 8 another true']);
  t.equal(board.found(7)?.looked, 40);
  helper.begin(6);
  helper.report(6, 0);
  t.same(textsOf(board, 6), []);
  t.equal(board.found(7 + 2 * helpedWindowParts), undefined, 'another part of the same place');
});

t.test('the walk goes no further than to what the thread has or is in', async (t) => {
  const board = new Board(0);
  const helper = new HelperBoard(board.memory);
  t.equal(board.claim(1, 9), 10);
  t.equal(helper.position, 9);
  helper.turn();
  helper.begin(20);
  helper.report(20, 1);
  helper.begin(15);
  t.equal(board.claim(10, 40), 15);
  t.equal(
    board.claim(15, 40),
    20,
    'it looks through the part that the thread is in when it comes to it',
  );
  t.equal(helper.position, 19);
  t.notOk(board.isSpent(16));
  helper.end();
  t.notOk(board.isSpent(16), 'something is ahead still');
  t.ok(board.isSpent(21));
});

t.test('each half has room for so much, and they take turns', async (t) => {
  const board = new Board(0);
  const helper = new HelperBoard(board.memory);
  const large = 'x'.repeat(helpedMatchBytesMax / 4 - 16);
  const fill = (part: number): void => {
    helper.turn();
    helper.begin(part);
    for (let n = 1; n <= 4; n++) t.ok(helper.add(n, matchOf(large, n)));
    t.notOk(helper.add(5, matchOf('', 5)), 'there is no room for one more');
    helper.report(part, 4);
  };
  fill(1);
  fill(2);
  t.equal(textsOf(board, 1)?.[3], `4 4 ${large} true`);
  fill(3);
  t.equal(board.found(3)?.at, board.found(1)?.at);
});

t.test('memory that is used again knows nothing of what was on it', async (t) => {
  const first = new Board(0);
  const helper = new HelperBoard(first.memory);
  helper.turn();
  helper.begin(1);
  helper.report(1, 9);
  t.notOk(first.isLeft);
  first.stop();
  t.ok(helper.isStopped);
  t.notOk(first.isLeft, 'the thread may still write');
  helper.end();
  t.ok(first.isLeft);
  const second = new Board(0, first.memory);
  t.equal(second.found(1), undefined);
  t.notOk(second.isStopped);
  t.notOk(second.isEnded);
});

t.test('what cannot be a match is none', async (t) => {
  const board = new Board(0);
  const words = new Int32Array(board.memory);
  const at = words.length * 4 - 64;
  const put = (...values: number[]) => words.set(values, at / 4);
  put(1, 1, 0, 8);
  t.ok(board.match(at));
  for (const values of [
    [-1, 1, 0, 8],
    [2 ** 20, 1, 0, 8],
    [1, 0, 0, 8],
    [1, 1, 0, 0],
    [1, 1, 0, -8],
    [1, 1, 0, 4096],
  ]) {
    put(...values);
    t.equal(board.match(at), undefined, `${values}`);
  }
  for (const wrong of [-4, 0, 64, 2 ** 30]) t.equal(board.match(wrong), undefined);
  words.set([8, 4 * 2000, 9, 3], 4 + 4 * 7);
  t.equal(board.found(7), undefined, 'more matches than records');
});

t.test('the thread sleeps until the walk moves, and not for ever', async (t) => {
  const board = new Board(3);
  const helper = new HelperBoard(board.memory);
  t.notOk(helper.waitForWalk(3, 1));
  board.enter(4);
  t.ok(helper.waitForWalk(3, 60_000));
});
