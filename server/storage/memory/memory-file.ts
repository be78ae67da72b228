// An open file of the reference engine. Every answer comes in a later turn, nothing it takes or gives
// is shared with its caller, and bytes shown to a visitor are spoilt after the call: what is built on
// it cannot come to rely on more than engine.ts promises.

import type { FileSpec } from '../../../shared/record/file-spec.js';
import type { Rfa } from '../../../shared/record/rfa.js';
import { makeRfa } from '../../../shared/record/rfa.js';
import type {
  ChangeOutcome,
  Direction,
  Edge,
  FileFacts,
  IndexKeys,
  KeysOfRecord,
  LocatedRecord,
  Problem,
  Progress,
  RecordChange,
  RecordDraft,
  RecordRemoval,
  ScanCursor,
  ScanFilter,
  ScanVisitor,
  StoredFile,
  StoredRecord,
  VerifyReport,
} from '../engine.js';
import { farEdge, INSERTION_BYTES, rangeBetween } from '../place.js';
import { checkEdge, checkSameLayout, isClosed } from '../storage-error.js';
import type { MemoryEntry, RecordTable } from './record-table.js';

/** Bytes of what a visitor saw, after its call. */
const SPOILT = 0xee;

export class MemoryFile implements StoredFile {
  readonly #path: string;
  readonly #table: RecordTable;
  readonly #closed: () => void;
  #openers = 0;

  constructor(path: string, table: RecordTable, closed: () => void) {
    this.#path = path;
    this.#table = table;
    this.#closed = closed;
  }

  get spec(): FileSpec {
    return this.#table.spec;
  }

  attach(): this {
    this.#openers++;
    return this;
  }

  facts(): Promise<FileFacts> {
    return this.#later((table) => ({
      records: table.records.size,
      bytes: table.bytes,
      depths: table.spec.keys.map((_, key) => (table.index(key).length === 0 ? 0 : 1)),
    }));
  }

  /** An open file is never replaced here. */
  isInPlace(): boolean {
    return true;
  }

  /** There is one state only, and everybody sees it. */
  renew(): void {}

  seek(key: number, edge: Edge, direction: Direction): Promise<LocatedRecord | undefined> {
    const from = copyEdge(edge);
    return this.#later((table) => {
      checkEdge(from);
      const range = rangeBetween(from, farEdge(direction), direction);
      const entries = range === undefined ? [] : table.entries(key, range);
      return locate(table, entries.at(direction === 'forward' ? 0 : -1));
    });
  }

  find(key: number, value: Uint8Array): Promise<LocatedRecord | undefined> {
    const wanted = Buffer.from(value);
    return this.#later((table) => {
      const suffix = table.spec.keys[key]?.dups === 'none' ? 0 : INSERTION_BYTES;
      const [entry] = table.entries(key, { least: wanted, limit: undefined });
      if (entry === undefined || entry.place.length !== wanted.length + suffix) return undefined;
      const isEqual = Buffer.compare(entry.place.subarray(0, wanted.length), wanted) === 0;
      return isEqual ? locate(table, entry) : undefined;
    });
  }

  fetch(rfa: Rfa): Promise<StoredRecord | 'deleted' | 'invalid'> {
    const address = addressOf(rfa);
    return this.#later((table) => {
      const stored = table.records.get(address);
      if (stored === undefined) return table.wasUsed(address) ? 'deleted' : 'invalid';
      return { rfa: rfaOf(address), record: Buffer.from(stored.record), crc: stored.crc };
    });
  }

  placeOf(key: number, rfa: Rfa, value: Uint8Array | undefined): Promise<Buffer | undefined> {
    const address = addressOf(rfa);
    const wanted = value === undefined ? undefined : Buffer.from(value);
    return this.#later((table) =>
      wanted === undefined ? undefined : table.placeOf(key, address, wanted),
    );
  }

  insert(draft: RecordDraft): Promise<StoredRecord> {
    return this.#later((table) => {
      const { address, record, crc } = table.insert(draft);
      return { rfa: rfaOf(address), record: Buffer.from(record), crc };
    });
  }

  insertMany(drafts: readonly RecordDraft[]): Promise<{ stored: number; error?: unknown }> {
    const given = [...drafts];
    return this.#later((table) => {
      let stored = 0;
      for (const draft of given) {
        try {
          table.insert(draft);
        } catch (error) {
          return { stored, error };
        }
        stored++;
      }
      return { stored };
    });
  }

  update(change: RecordChange): Promise<ChangeOutcome> {
    const copy = {
      address: addressOf(change.rfa),
      previousCrc: change.previousCrc,
      record: Buffer.from(change.record),
      oldKeys: copyKeys(change.oldKeys),
      newKeys: copyKeys(change.newKeys),
      stamped: change.stamped,
    };
    return this.#later((table) => table.update(copy));
  }

  remove({ rfa, previousCrc, keys }: RecordRemoval): Promise<ChangeOutcome> {
    const address = addressOf(rfa);
    const copied = copyKeys(keys);
    return this.#later((table) => table.remove(address, previousCrc, copied));
  }

  scan(
    cursor: ScanCursor,
    visit: ScanVisitor,
    recordsMax: number,
    filter: ScanFilter = showAll,
  ): Promise<'more' | 'end'> {
    return this.#later((table) =>
      cursor.order === 'stored'
        ? scanStored(table, cursor, { visit, filter }, recordsMax)
        : scanIndex(table, cursor.order, cursor, { visit, filter }, recordsMax),
    );
  }

  setSpec(spec: FileSpec): Promise<void> {
    const copy = structuredClone(spec);
    return this.#later((table) => {
      checkSameLayout(table.spec, copy);
      table.spec = copy;
    });
  }

  clear(): Promise<void> {
    return this.#later((table) => table.clear());
  }

  verify(
    keysOf: KeysOfRecord,
    report: (problem: Problem) => void,
    progress: Progress = () => undefined,
  ): Promise<VerifyReport> {
    return this.#later((table) => {
      const verified = table.verify(keysOf, report);
      progress(verified.records, verified.records);
      return verified;
    });
  }

  rebuild(
    keysOf: KeysOfRecord,
    report: (problem: Problem) => void,
    progress: Progress = () => undefined,
  ): Promise<VerifyReport> {
    return this.#later((table) => {
      table.rebuild(keysOf);
      const verified = table.verify(keysOf, report);
      progress(verified.records, verified.records);
      return verified;
    });
  }

  close(): Promise<void> {
    if (this.#openers > 0 && --this.#openers === 0) this.#closed();
    return later(() => undefined);
  }

  /** Closes for all openers, when the engine closes. */
  detachAll(): void {
    this.#openers = 0;
    this.#closed();
  }

  #later<T>(step: (table: RecordTable) => T): Promise<T> {
    if (this.#openers === 0) throw isClosed(this.#path);
    return later(() => step(this.#table));
  }
}

/** Answers in a later turn, always. */
export const later = <T>(step: () => T): Promise<T> =>
  new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(step());
      } catch (error) {
        reject(error);
      }
    });
  });

/** Who sees the records of a scan. */
interface Audience {
  readonly visit: ScanVisitor;
  readonly filter: ScanFilter;
}

const showAll: ScanFilter = () => true;

/** One more record was passed. */
function countLooked(cursor: ScanCursor): void {
  cursor.looked = (cursor.looked ?? 0) + 1;
}

function scanIndex(
  table: RecordTable,
  key: number,
  cursor: ScanCursor,
  audience: Audience,
  recordsMax: number,
): 'more' | 'end' {
  const { direction, from, until } = cursor;
  const range = rangeBetween(copyEdge(from), copyEdge(until), direction);
  const entries = range === undefined ? [] : table.entries(key, range).slice();
  if (direction === 'reverse') entries.reverse();
  let left = recordsMax;
  for (const { place, address } of entries) {
    if (left-- <= 0 || !show(table, address, audience)) return 'more';
    countLooked(cursor);
    cursor.from = {
      prefix: Buffer.from(place),
      side: direction === 'forward' ? 'after' : 'before',
    };
  }
  return 'end';
}

function scanStored(
  table: RecordTable,
  cursor: ScanCursor,
  audience: Audience,
  recordsMax: number,
): 'more' | 'end' {
  const forward = cursor.direction === 'forward';
  const last = cursor.rfa === undefined ? undefined : addressOf(cursor.rfa);
  const isAhead = (address: number): boolean =>
    last === undefined || (forward ? address > last : address < last);
  const addresses = [...table.records.keys()].filter(isAhead);
  if (!forward) addresses.reverse();
  let left = recordsMax;
  for (const address of addresses) {
    if (left-- <= 0 || !show(table, address, audience)) return 'more';
    countLooked(cursor);
    cursor.rfa = rfaOf(address);
  }
  return 'end';
}

/** Shows a copy of the record in the middle of other bytes, and spoils it afterwards. */
function show(table: RecordTable, address: number, { visit, filter }: Audience): boolean {
  const stored = table.records.get(address);
  if (stored === undefined) return true;
  const start = 3;
  const end = start + stored.record.length;
  const bytes = Buffer.alloc(end + start, SPOILT);
  bytes.set(stored.record, start);
  const place = { block: Math.floor(address / 256), slot: address % 256 };
  const goesOn = !filter(bytes, start, end) || visit(bytes, start, end, place);
  bytes.fill(SPOILT);
  return goesOn;
}

function locate(table: RecordTable, entry: MemoryEntry | undefined): LocatedRecord | undefined {
  const stored = entry === undefined ? undefined : table.records.get(entry.address);
  if (entry === undefined || stored === undefined) return undefined;
  return {
    rfa: rfaOf(entry.address),
    record: Buffer.from(stored.record),
    crc: stored.crc,
    place: Buffer.from(entry.place),
  };
}

const addressOf = (rfa: Rfa): number => rfa.readUIntBE(0, 6);
const rfaOf = (address: number): Rfa => makeRfa(Math.floor(address / 256), address % 256);
const copyEdge = ({ prefix, side }: Edge): Edge => ({ prefix: Buffer.from(prefix), side });
const copyKeys = (keys: IndexKeys): IndexKeys =>
  keys.map((key) => (key === undefined ? undefined : Buffer.from(key)));
