// What a walk gives with a thread looking ahead of it is what it gives alone, whatever the thread does or says.

import { randomInt } from 'node:crypto';
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import t, { type Test } from 'tap';
import { Board } from '../../../server/scan-helper/board.js';
import type { ScanCursor, ScanFilter, StoredFile } from '../../../server/storage/engine.js';
import { helpedBlocksMin, helpedPartBlocks } from '../../../shared/base/limits.js';
import { idOf, rewriteRow, rowDraft, rowKeys } from '../../conformance/storage-rows.js';
import { makeRandom } from '../../model/random.js';
import {
  conditionOf,
  helpedScan,
  makeHelper,
  makeTemplate,
  moment,
  openCopy,
  ROWS,
  removeNumber,
  walkAlone,
  wholeFile,
} from './helped-file.js';

const CONDITIONS = [
  "rec(9,1) = '3'",
  "rec(1,8) = '9123'",
  "rec(1,8) = 'nobody'",
  "rec(1,8) <> 'nobody'",
  "rec(1,8) like '%7' and rec(1,8) > '4'",
  "rec(1,8) in ('11', '5555', '9999')",
];

const template = makeTemplate(t);

interface Walk {
  readonly cursor: ScanCursor;
  readonly ids: string[];
}

/** Goes on until `isDone`, with time for the thread now and then. */
async function goOn(
  scan: Pick<StoredFile, 'scan'>,
  { cursor, ids }: Walk,
  matches: ScanFilter,
  isDone = (): boolean => false,
): Promise<void> {
  let steps = 0;
  const take = (bytes: Buffer, start: number, end: number): boolean =>
    ids.push(idOf(bytes.subarray(start, end))) > 0;
  while ((await scan.scan(cursor, take, 100, matches)) === 'more' && !isDone()) {
    if (++steps % 8 === 0) await moment();
  }
}

/** What is wrong with the file, as a walk says that goes on behind each error. */
async function errorsOf(walk: () => Promise<void>): Promise<string[]> {
  const errors: string[] = [];
  for (;;) {
    try {
      await walk();
      return errors;
    } catch (error) {
      errors.push(error instanceof Error ? error.message : '');
    }
  }
}

/** A walk that the thread has come far ahead of. */
async function helpedHalfway(t: Test, file: StoredFile, text: string) {
  const { where, matches } = conditionOf(file, text);
  const helper = makeHelper(t);
  const { scan, walked } = helpedScan(file, helper, where);
  const walk: Walk = { cursor: wholeFile(), ids: [] };
  await goOn(scan, walk, matches, () => helper.isRunning);
  await moment(100);
  return { helper, scan, walk, matches, walked };
}

t.test('with help a walk gives, counts and stops as without', async (t) => {
  const { file } = await openCopy(t, await template);
  const helper = makeHelper(t);
  let spared = 0;
  for (let round = 0; round < 20; round++) {
    const seed = randomInt(2 ** 31);
    const random = makeRandom(seed);
    const text = CONDITIONS[random(CONDITIONS.length)] ?? '';
    const { where, matches } = conditionOf(file, text);
    const whole = await walkAlone(file, matches);
    const { scan, walked } = helpedScan(file, helper, where);
    const cursor = wholeFile();
    const ids: string[] = [];
    const take = (bytes: Buffer, start: number, end: number): boolean =>
      random(40) > 0 && ids.push(idOf(bytes.subarray(start, end))) > 0;
    while ((await scan.scan(cursor, take, 1 + random(300), matches)) === 'more') {
      if (random(10) === 0) await moment();
      if (random(60) > 0) continue;
      const rest = await walkAlone(file, matches, cursor.rfa);
      t.same([...ids, ...rest.ids], whole.ids, 'what comes is what was not given yet');
      t.equal((cursor.looked ?? 0) + rest.looked, whole.looked, 'and as many to look at');
    }
    scan.close();
    t.same(ids, whole.ids, `seed ${seed}: ${text}`);
    t.equal(cursor.looked, whole.looked);
    spared += whole.looked - walked();
  }
  t.ok(spared > ROWS, `${spared} records were spared`);
});

t.test('what is committed meanwhile is seen, whatever the thread found before', async (t) => {
  const { file } = await openCopy(t, await template);
  const { scan, walk, matches } = await helpedHalfway(t, file, "rec(9,1) = '3'");
  await removeNumber(file, 9993);
  const found = await file.find(0, Buffer.from('9994'.padEnd(8)));
  if (found === undefined) throw new Error('9994 is gone');
  await rewriteRow(file, found, { id: '9994', group: '3' });
  await goOn(scan, walk, matches);
  const now = await walkAlone(file, matches);
  t.same(walk.ids, now.ids);
  t.equal(walk.cursor.looked, now.looked);
  t.ok(walk.ids.includes('9994'));
  t.notOk(walk.ids.includes('9993'));
});

t.test('what a visitor commits in the middle of a part ends the help', async (t) => {
  const { file } = await openCopy(t, await template);
  const { scan, walk, matches } = await helpedHalfway(t, file, "rec(9,1) = '3'");
  const record = rowDraft({ id: 'new', group: '3' }).finish([]).record;
  let stored: unknown;
  const take = (bytes: Buffer, start: number, end: number): boolean => {
    stored ??= file.insert({
      sequences: [],
      finish: () => ({ record, keys: rowKeys(Buffer.from(record)) }),
    });
    return walk.ids.push(idOf(bytes.subarray(start, end))) > 0;
  };
  while ((await scan.scan(walk.cursor, take, 100, matches)) === 'more') await moment(0);
  await stored;
  t.same(walk.ids, (await walkAlone(file, matches)).ids);
});

t.test('a block that is damaged is told of as without help', async (t) => {
  const { path, engine, file } = await openCopy(t, await template);
  await file.close();
  const bytes = readFileSync(path);
  const at = bytes.lastIndexOf('8888    8');
  bytes[at + 100] = 0x21;
  writeFileSync(path, bytes);
  const damaged = await engine.open(path);
  const { scan, walk, matches } = await helpedHalfway(t, damaged, "rec(9,1) = '8'");
  const helped = await errorsOf(() => goOn(scan, walk, matches));
  const alone: Walk = { cursor: wholeFile(), ids: [] };
  t.same(helped, await errorsOf(() => goOn(damaged, alone, matches)));
  t.ok(helped.length > 0);
  t.same(walk.ids, alone.ids, 'it goes on behind it');
  t.equal(walk.cursor.looked, alone.cursor.looked);
  t.notOk(walk.ids.includes('8888'));
  t.ok(walk.ids.includes('9998'));
});

t.test('records out of line are found without help', async (t) => {
  const { file } = await openCopy(t, await template);
  for (const n of [1500, 5500, 9500]) {
    const found = await file.find(0, Buffer.from(`${n}`.padEnd(8)));
    if (found === undefined) throw new Error(`${n} is gone`);
    await rewriteRow(file, found, { id: `${n}`, group: '3', note: 'x'.repeat(9000) });
  }
  const { scan, walk, matches } = await helpedHalfway(t, file, "rec(9,1) = '3'");
  await goOn(scan, walk, matches);
  const alone = await walkAlone(file, matches);
  t.same(walk.ids, alone.ids);
  t.equal(walk.cursor.looked, alone.looked);
  for (const id of ['1500', '5500', '9500']) t.ok(walk.ids.includes(id));
});

t.test('a file that is deleted is held by nobody once the walk is over', async (t) => {
  const { path, file } = await openCopy(t, await template);
  const { helper, scan, walk, matches } = await helpedHalfway(t, file, "rec(9,1) = '3'");
  const openedBy = (): number =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path);
      } catch {
        return false;
      }
    }).length;
  rmSync(path);
  t.notOk(existsSync(path));
  await goOn(scan, walk, matches);
  t.equal(walk.ids.length, (await walkAlone(file, matches)).ids.length);
  scan.close();
  while (!helper.isFree) await moment();
  await file.close();
  t.equal(openedBy(), 0);
});

t.test('a thread that dies, or does nothing, costs nothing but its help', async (t) => {
  const { file } = await openCopy(t, await template);
  const dying = await helpedHalfway(t, file, "rec(9,1) = '3'");
  const whole = await walkAlone(file, dying.matches);
  await dying.helper.close();
  await goOn(dying.scan, dying.walk, dying.matches);
  t.same(dying.walk.ids, whole.ids);
  t.equal(dying.walk.cursor.looked, whole.looked);
  const { where, matches } = conditionOf(file, "rec(9,1) = '3'");
  let begun = 0;
  const hanging = {
    isFree: true,
    requests: 0,
    begin(_state: unknown, _where: unknown, part: number) {
      begun++;
      return new Board(part);
    },
    end: () => undefined,
  };
  const { scan, walked } = helpedScan(file, hanging, where);
  const walk: Walk = { cursor: wholeFile(), ids: [] };
  await goOn(scan, walk, matches);
  t.same(walk.ids, whole.ids);
  t.equal(walked(), whole.looked);
  t.equal(begun, 1);
});

t.test(
  'who asks something else ends the help, and a walk that is disturbed asks for none',
  async (t) => {
    const { file } = await openCopy(t, await template);
    const { where, matches } = conditionOf(file, "rec(9,1) = '3'");
    const whole = await walkAlone(file, matches);
    const boards: Board[] = [];
    const helper = {
      isFree: true,
      requests: 7,
      begin(_state: unknown, _where: unknown, part: number) {
        const board = new Board(part);
        boards.push(board);
        return board;
      },
      end: (board: Board) => board.stop(),
    };
    const { scan } = helpedScan(file, helper, where);
    const walk: Walk = { cursor: wholeFile(), ids: [] };
    await goOn(scan, walk, matches, () => boards.length > 0);
    t.notOk(boards[0]?.isStopped);
    helper.requests++;
    const isOver = (): boolean => {
      helper.requests++;
      return false;
    };
    await goOn(scan, walk, matches, isOver);
    t.ok(boards[0]?.isStopped);
    t.equal(boards.length, 1);
    t.same(walk.ids, whole.ids);
    t.equal(walk.cursor.looked, whole.looked);
  },
);

t.test('nonsense on the board costs nothing but the help', async (t) => {
  const { file } = await openCopy(t, await template);
  const { where, matches } = conditionOf(file, "rec(9,1) = '3'");
  const whole = await walkAlone(file, matches);
  for (let round = 0; round < 20; round++) {
    const seed = randomInt(2 ** 31);
    const random = makeRandom(seed);
    const helper = {
      isFree: true,
      requests: 0,
      begin(_state: unknown, _where: unknown, part: number) {
        const board = new Board(part);
        const words = new Int32Array(board.memory);
        // Every part is said to have been looked through, and to have a match somewhere.
        for (let report = 4; report < 4 + 4 * 256; report += 4) {
          const number = part + 1 + ((report / 4 - 1 - ((part + 1) % 256) + 256) % 256);
          words.set([number + 1, 4 * random(words.length), 1 + random(3), 5 + random(99)], report);
        }
        for (let word = 4 + 4 * 256; word < words.length; word += 7) words[word] = random(2 ** 31);
        return board;
      },
      end: () => undefined,
    };
    const { scan } = helpedScan(file, helper, where);
    const walk: Walk = { cursor: wholeFile(), ids: [] };
    await goOn(scan, walk, matches);
    t.same(walk.ids, whole.ids, `seed ${seed}`);
    t.equal(walk.cursor.looked, whole.looked);
  }
});

t.test('help is asked for behind the first part, and where much is left', async (t) => {
  const { file } = await openCopy(t, await template);
  const { where, matches } = conditionOf(file, "rec(9,1) = '3'");
  const asked: number[] = [];
  const helper = {
    isFree: true,
    requests: 0,
    begin(_state: unknown, _where: unknown, part: number) {
      asked.push(part);
      return new Board(part);
    },
    end: () => undefined,
  };
  const first = helpedScan(file, helper, where).scan;
  const walk: Walk = { cursor: wholeFile(), ids: [] };
  await goOn(first, walk, matches, () => asked.length > 0);
  t.same(asked, [1]);
  const nextBlock = file.unmapped?.state()?.nextBlock ?? 0;
  const late: Walk = { cursor: wholeFile(), ids: [] };
  late.cursor.rfa = Buffer.alloc(6);
  late.cursor.rfa.writeUIntBE(nextBlock - helpedBlocksMin + 2 * helpedPartBlocks, 0, 5);
  await goOn(helpedScan(file, helper, where).scan, late, matches);
  t.same(asked, [1], 'a walk that is nearly through is not helped');
});
