// A file that is long enough to be helped with, and walks through it. Made once a test file, because to store takes
// longer than what is tried on it.

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { HelpedScan, type HelpedScanOptions } from '../../../server/scan-helper/helped-scan.js';
import { ScanHelper } from '../../../server/scan-helper/scan-helper.js';
import { compilePredicate } from '../../../server/select/predicate.js';
import type {
  ScanCursor,
  ScanFilter,
  ScanVisitor,
  StorageEngine,
  StoredFile,
} from '../../../server/storage/engine.js';
import { createLmdbEngine } from '../../../server/storage/lmdb/engine.js';
import { bindExpression } from '../../../shared/select/bind.js';
import type { BoundExpression } from '../../../shared/select/bound.js';
import { parseExpression } from '../../../shared/select/parse.js';
import { idOf, makeFile, removeRow, rowDraft, rowSpec } from '../../conformance/storage-rows.js';

export const ROWS = 10_000;

/** Rows of some 900 bytes, four in a block; their group is the last digit of their id. Some, and blocks, are gone. */
export async function makeTemplate(t: Test): Promise<string> {
  const path = join(t.testdir(), 'template.ism');
  const engine = createLmdbEngine();
  const file = await makeFile(engine, path, rowSpec());
  const note = '.'.repeat(900);
  for (let from = 0; from < ROWS; from += 1000) {
    const rows = Array.from({ length: 1000 }, (_, n) => from + n);
    await file.insertMany(
      rows.map((n) => rowDraft({ id: `${n}`, group: `${n % 10}`, note: note.slice(n % 50) })),
    );
  }
  const gone = Array.from({ length: 60 }, (_, n) => 3000 + n).concat([7, 77, 777, 7777]);
  for (const n of gone) await removeNumber(file, n);
  await engine.close();
  return path;
}

export async function removeNumber(file: StoredFile, n: number): Promise<void> {
  const found = await file.find(0, Buffer.from(`${n}`.padEnd(8)));
  if (found !== undefined) await removeRow(file, found);
}

export async function openCopy(
  t: Test,
  template: string,
): Promise<{ path: string; engine: StorageEngine; file: StoredFile }> {
  const path = join(t.testdir(), 'rows.ism');
  copyFileSync(template, path);
  const engine = createLmdbEngine();
  t.teardown(() => engine.close());
  return { path, engine, file: await engine.open(path) };
}

/** There is always an idle core. */
export const nobody = {
  isNone: true,
  helpBegins: () => undefined,
  helpEnds: () => undefined,
  close: () => undefined,
};

export function makeHelper(t: Test): ScanHelper {
  const helper = new ScanHelper({
    crowd: nobody,
    onLost: (why) => t.fail(`the thread was lost: ${why}`),
  });
  t.teardown(() => helper.close());
  return helper;
}

/** A condition, bound and compiled. */
export function conditionOf(file: StoredFile, text: string) {
  const where = bindExpression(parseExpression(text), file.spec);
  return { where, matches: compilePredicate(where) };
}

/** Counts the records that were looked at without help. */
export function helpedScan(
  file: StoredFile,
  helper: HelpedScanOptions['helper'],
  where: BoundExpression,
): { readonly scan: HelpedScan; readonly walked: () => number } {
  const { unmapped } = file;
  if (unmapped === undefined) throw new Error('it is of another engine');
  let walked = 0;
  const counting = {
    scan(cursor: ScanCursor, visit: ScanVisitor, recordsMax: number, filter?: ScanFilter) {
      const before = cursor.looked ?? 0;
      const state = file.scan(cursor, visit, recordsMax, filter);
      walked += (cursor.looked ?? 0) - before;
      return state;
    },
  };
  const scan = new HelpedScan({ stored: counting, unmapped, helper, where, bytesPerRecord: 250 });
  return { scan, walked: () => walked };
}

export const wholeFile = (): ScanCursor => ({
  order: 'stored',
  direction: 'forward',
  from: { prefix: Buffer.alloc(0), side: 'before' },
  until: { prefix: Buffer.alloc(0), side: 'after' },
  looked: 0,
});

export interface Gone {
  readonly ids: string[];
  readonly looked: number;
}

/** Walks from behind `rfa` to the end, alone. */
export async function walkAlone(
  file: StoredFile,
  matches: ScanFilter,
  rfa?: Uint8Array,
): Promise<Gone> {
  const cursor = wholeFile();
  if (rfa !== undefined) cursor.rfa = Buffer.from(rfa);
  const ids: string[] = [];
  const take: ScanVisitor = (bytes, start, end) => ids.push(idOf(bytes.subarray(start, end))) > 0;
  while ((await file.scan(cursor, take, 1000, matches)) === 'more');
  return { ids, looked: cursor.looked ?? 0 };
}

/** A moment, so that the thread gets somewhere. */
export const moment = (ms = 1): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
