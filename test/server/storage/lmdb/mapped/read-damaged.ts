// The process of damaged-pages.test.ts: opens copies of a file, spoils pages of each while it is open, and reads all
// there is. Arguments: folder of the copies, seed, how many. Says which copy it is at.

import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ScanCursor, StoredFile } from '../../../../../server/storage/engine.js';
import { createLmdbEngine } from '../../../../../server/storage/lmdb/engine.js';
import { isRsyndError } from '../../../../../shared/base/error.js';
import type { Rfa } from '../../../../../shared/record/rfa.js';
import { randomNumbers } from './mapped-file.js';

const PAGE = 4096;
const KEYS = 4;
const CALLS_MAX = 20_000;
const [folder = '', seed = '1', copies = '1'] = process.argv.slice(2);
const random = randomNumbers(Number(seed));
const outcome = { read: 0, damaged: 0 };

/** Runs a read; false when it met damage. */
function attempt(read: () => unknown): boolean {
  try {
    read();
    outcome.read++;
    return true;
  } catch (error) {
    if (!isRsyndError(error) || error.code !== 'ERR_DAMAGED') throw error;
    outcome.damaged++;
    return false;
  }
}

/** Spoils one page behind the two meta pages. */
function spoil(path: string): void {
  const fd = openSync(path, 'r+');
  const pages = fstatSync(fd).size / PAGE;
  const page = 2 + random(pages - 2);
  const bytes = Buffer.alloc(PAGE);
  readSync(fd, bytes, 0, PAGE, page * PAGE);
  const way = random(6);
  if (way === 0) for (let n = 0; n < 8; n++) bytes[random(PAGE)] = random(256);
  if (way === 1) for (let at = 0; at < PAGE; at++) bytes[at] = random(256);
  // Its header, but not its number; then the places of its nodes; then the nodes.
  if (way === 2) for (let n = 0; n < 3; n++) bytes[16 + random(8)] = random(256);
  if (way === 3)
    for (let n = 0; n < 4; n++) bytes.writeUInt16LE(random(0x1_0000), 24 + 2 * random(30));
  if (way === 4) spoilNode(bytes, pages);
  if (way === 5) for (let n = 0; n < 20; n++) spoilNode(bytes, pages);
  writeSync(fd, bytes, 0, PAGE, page * PAGE);
  closeSync(fd);
}

function spoilNode(bytes: Buffer, pages: number): void {
  const count = Math.max(1, bytes.readUInt16LE(20) >> 1);
  const at = 24 + bytes.readUInt16LE(Math.min(24 + 2 * random(count), PAGE - 2));
  if (at > PAGE - 16) return;
  const field = random(4);
  if (field === 0) bytes.writeUInt32LE(random(2) === 0 ? random(pages + 3) : random(2 ** 32), at);
  if (field === 1) bytes.writeUInt16LE(random(4), at + 4);
  if (field === 2) bytes.writeUInt16LE(random(2) === 0 ? random(200) : random(0x1_0000), at + 6);
  if (field === 3) bytes[at + 8 + random(8)] = random(256);
}

const nothing = Buffer.alloc(0);
const begin = { prefix: nothing, side: 'before' } as const;
const end = { prefix: nothing, side: 'after' } as const;

/** A whole scan, until its end or until damage keeps it where it is. */
function scan(file: StoredFile, order: number | 'stored', isReverse: boolean): void {
  const cursor: ScanCursor = {
    order,
    direction: isReverse ? 'reverse' : 'forward',
    from: isReverse ? end : begin,
    until: isReverse ? begin : end,
  };
  let state: unknown = 'more';
  for (let calls = 0; state === 'more'; calls++) {
    if (calls > CALLS_MAX) throw new Error(`a scan by ${order} does not end`);
    const before = `${cursor.from.prefix.toString()} ${cursor.rfa?.toString('hex')}`;
    const visit = (): boolean => true;
    const isFine = attempt(() => {
      state = file.scan(cursor, visit, 100);
    });
    const isStuck = before === `${cursor.from.prefix.toString()} ${cursor.rfa?.toString('hex')}`;
    if (!isFine && isStuck) return;
  }
}

function readAll(file: StoredFile, rfas: readonly Rfa[]): void {
  attempt(() => file.facts());
  for (const rfa of rfas) attempt(() => file.fetch(rfa));
  for (let n = 0; n < 300; n++) {
    const id = Buffer.from(`${n * 10}`.padEnd(8));
    attempt(() => file.find(0, id));
    attempt(() => file.find(1, id.subarray(0, 4)));
    attempt(() => file.seek(random(KEYS), { prefix: id, side: 'before' }, 'forward'));
    attempt(() => file.seek(random(KEYS), { prefix: id, side: 'after' }, 'reverse'));
  }
  for (const order of [...Array(KEYS).keys(), 'stored'] as const) {
    scan(file, order, false);
    scan(file, order, true);
  }
}

const engine = createLmdbEngine({ bootId: 'local' });
for (let n = 0; n < Number(copies); n++) {
  process.stdout.write(`copy ${n}\n`);
  const path = join(folder, `${n}.ism`);
  const file = await engine.open(path);
  const rfas: Rfa[] = [];
  const cursor: ScanCursor = { order: 'stored', direction: 'forward', from: begin, until: end };
  while (file.scan(cursor, () => true, 37) === 'more')
    if (cursor.rfa !== undefined) rfas.push(cursor.rfa);
  for (let times = 1 + random(4); times > 0; times--) spoil(path);
  readAll(file, rfas);
  await file.close();
}
process.stdout.write(`done: ${outcome.read} read, ${outcome.damaged} damaged\n`);
