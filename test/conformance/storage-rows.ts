// Rows and definitions the storage tests work with: short records whose keys are plain slices, so that
// a test can say what order it expects.
//
//   id 0-7 (key 0, unique) | group 8-11 (key 1, fifo) | rank 12-15 (key 2, lifo) | alias 16-23 (key 3,
//   unique, blank is null) | note 24…

import type { Test } from 'tap';
import type {
  IndexKeys,
  LocatedRecord,
  RecordDraft,
  StorageEngine,
  StoredFile,
  StoredRecord,
} from '../../server/storage/engine.js';
import type { Duplicates, FileSpec, KeySpec } from '../../shared/record/file-spec.js';

/** Checks one rule on a fresh file that is open. */
export type StorageRule = (
  t: Test,
  file: StoredFile,
  engine: StorageEngine,
  path: string,
) => Promise<void>;

export interface Row {
  readonly id: string;
  readonly group?: string;
  readonly rank?: string;
  readonly alias?: string;
  readonly note?: string;
}

const NOTE_AT = 24;

export function rowBytes({ id, group = '', rank = '', alias = '', note = '' }: Row): Buffer {
  const head = [id.padEnd(8), group.padEnd(4), rank.padEnd(4), alias.padEnd(8)].join('');
  return Buffer.from(head + note, 'latin1');
}

export function rowKeys(record: Buffer): IndexKeys {
  const alias = record.subarray(16, 24);
  return [
    record.subarray(0, 8),
    record.subarray(8, 12),
    record.subarray(12, 16),
    alias.toString('latin1').trim() === '' ? undefined : alias,
  ];
}

export function rowDraft(row: Row): RecordDraft {
  const record = rowBytes(row);
  return { sequences: [], finish: () => ({ record, keys: rowKeys(record) }) };
}

/** A draft whose id is a number taken from a sequence. */
export const numberedDraft = (seed: bigint): RecordDraft => ({
  sequences: [{ name: 'sequence@0', seed }],
  finish([number]) {
    const record = rowBytes({ id: String(number).padStart(8, '0') });
    return { record, keys: rowKeys(record) };
  },
});

const key = (name: string, offset: number, length: number, dups: Duplicates): KeySpec => ({
  name,
  segments: [{ offset, length, type: 'alpha', order: 'ascending' }],
  dups,
  modifiable: true,
});

export const rowSpec = (changes: Partial<FileSpec> = {}): FileSpec => ({
  record: { size: 1024 * 1024, format: 'variable' },
  keys: [
    key('ID', 0, 8, 'none'),
    key('GROUP', 8, 4, 'fifo'),
    key('RANK', 12, 4, 'lifo'),
    key('ALIAS', 16, 8, 'none'),
  ],
  fields: [],
  networkEncrypt: false,
  text: '',
  attributes: {},
  ...changes,
});

export const idOf = (record: Uint8Array): string =>
  Buffer.from(record.subarray(0, 8)).toString('latin1').trim();

export const noteOf = (record: Uint8Array): string =>
  Buffer.from(record.subarray(NOTE_AT)).toString('latin1');

export const insertRow = async (file: StoredFile, row: Row): Promise<StoredRecord> =>
  file.insert(rowDraft(row));

export async function makeFile(
  engine: StorageEngine,
  path: string,
  spec: FileSpec = rowSpec(),
): Promise<StoredFile> {
  await engine.create(path, spec);
  return engine.open(path);
}

/** Replaces what is stored at the address of `before`. */
export async function rewriteRow(file: StoredFile, before: StoredRecord, row: Row) {
  const record = rowBytes(row);
  return file.update({
    rfa: before.rfa,
    previousCrc: before.crc,
    record,
    oldKeys: rowKeys(before.record),
    newKeys: rowKeys(record),
  });
}

export const removeRow = async (file: StoredFile, { rfa, crc, record }: StoredRecord) =>
  file.remove({ rfa, previousCrc: crc, keys: rowKeys(record) });

/** Ids by walking an index with seek from edge to edge, as reads in a row do. */
export async function walkIds(
  file: StoredFile,
  key: number,
  direction: 'forward' | 'reverse' = 'forward',
): Promise<string[]> {
  const [start, side] =
    direction === 'forward' ? (['before', 'after'] as const) : (['after', 'before'] as const);
  const ids: string[] = [];
  let found: LocatedRecord | undefined = await file.seek(
    key,
    { prefix: Buffer.alloc(0), side: start },
    direction,
  );
  while (found !== undefined) {
    ids.push(idOf(found.record));
    found = await file.seek(key, { prefix: found.place, side }, direction);
  }
  return ids;
}

/** Ids by scans of `step` records each. */
export async function scanIds(
  file: StoredFile,
  order: number | 'stored',
  direction: 'forward' | 'reverse' = 'forward',
  step = 1000,
): Promise<string[]> {
  const start = { prefix: Buffer.alloc(0), side: 'before' } as const;
  const end = { prefix: Buffer.alloc(0), side: 'after' } as const;
  const forward = direction === 'forward';
  const cursor = { order, direction, from: forward ? start : end, until: forward ? end : start };
  const ids: string[] = [];
  const visit = (bytes: Buffer, from: number, to: number): boolean =>
    ids.push(idOf(bytes.subarray(from, to))) > 0;
  while ((await file.scan(cursor, visit, step)) === 'more');
  return ids;
}
