// What was asked of a file and what of it was acknowledged; says whether a file found after a crash may
// be as it is: all that was acknowledged, and of what was under way any part, but no half steps.

import type { StoredFile, StoredRecord } from '../../../../../server/storage/engine.js';
import {
  type Row,
  removeRow,
  rewriteRow,
  rowBytes,
  rowDraft,
} from '../../../../conformance/storage-rows.js';

/** Contents that the record of an id may have; undefined: it is not there. */
type Contents = (string | undefined)[];

interface Entry {
  stored?: StoredRecord;
  contents: Contents;
}

export class Ledger {
  readonly #entries = new Map<string, Entry>();

  get ids(): string[] {
    return [...this.#entries].filter(([, { stored }]) => stored !== undefined).map(([id]) => id);
  }

  async insert(file: StoredFile, row: Row): Promise<void> {
    const entry: Entry = { contents: [undefined, textOf(rowBytes(row))] };
    this.#entries.set(row.id, entry);
    entry.stored = await file.insert(rowDraft(row));
    entry.contents = [textOf(entry.stored.record)];
  }

  async insertMany(file: StoredFile, rows: readonly Row[]): Promise<void> {
    const entries = rows.map((row) => {
      const entry: Entry = { contents: [undefined, textOf(rowBytes(row))] };
      this.#entries.set(row.id, entry);
      return entry;
    });
    const { stored } = await file.insertMany(rows.map(rowDraft));
    if (stored !== rows.length) throw new Error('insertMany failed');
    for (const [number, row] of rows.entries()) {
      const entry = entries[number];
      const found = await file.find(0, Buffer.from(row.id.padEnd(8)));
      if (entry === undefined || found === undefined) throw new Error(`${row.id} is missing`);
      entry.stored = found;
      entry.contents = [textOf(found.record)];
    }
  }

  async update(file: StoredFile, row: Row): Promise<void> {
    const entry = this.#entry(row.id);
    const before = entry.stored;
    if (before === undefined) return;
    const record = rowBytes(row);
    entry.contents = [...entry.contents, textOf(record)];
    const outcome = await rewriteRow(file, before, row);
    if (typeof outcome === 'string') throw new Error(outcome);
    entry.stored = { rfa: before.rfa, record, crc: outcome.crc };
    entry.contents = [textOf(record)];
  }

  async remove(file: StoredFile, id: string): Promise<void> {
    const entry = this.#entry(id);
    if (entry.stored === undefined) return;
    entry.contents = [...entry.contents, undefined];
    const outcome = await removeRow(file, entry.stored);
    if (typeof outcome === 'string') throw new Error(outcome);
    this.#entries.delete(id);
  }

  async clear(file: StoredFile): Promise<void> {
    for (const entry of this.#entries.values()) entry.contents.push(undefined);
    await file.clear();
    this.#entries.clear();
  }

  /** What may be there, as of now. */
  snapshot(): LedgerSnapshot {
    const copy = new Map<string, Entry>();
    for (const [id, { stored, contents }] of this.#entries) {
      copy.set(id, { contents: [...contents], ...(stored && { stored }) });
    }
    return new LedgerSnapshot(copy);
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new Error(`there is no ${id}`);
    return entry;
  }
}

export class LedgerSnapshot {
  readonly #entries: ReadonlyMap<string, Entry>;

  constructor(entries: ReadonlyMap<string, Entry>) {
    this.#entries = entries;
  }

  get acknowledged(): number {
    return [...this.#entries.values()].filter(({ contents }) => contents.length === 1).length;
  }

  /** What must not be. */
  async faultsOf(file: StoredFile): Promise<string[]> {
    const faults: string[] = [];
    const found = await recordsOf(file);
    for (const [id, { stored, contents }] of this.#entries) {
      const here = found.get(id);
      if (!contents.includes(here?.text)) {
        faults.push(
          `${id} is ${here?.text.slice(0, 40)}, not ${contents.map((c) => c?.slice(0, 40))}`,
        );
      }
      if (here !== undefined && stored !== undefined && here.rfa !== stored.rfa.toString('hex')) {
        faults.push(`${id} has another RFA`);
      }
      found.delete(id);
    }
    for (const id of found.keys()) faults.push(`${id} was never asked for, or removed`);
    return faults;
  }
}

async function recordsOf(file: StoredFile): Promise<Map<string, { rfa: string; text: string }>> {
  const found = new Map<string, { rfa: string; text: string }>();
  const cursor = {
    order: 'stored' as const,
    direction: 'forward' as const,
    from: { prefix: Buffer.alloc(0), side: 'before' as const },
    until: { prefix: Buffer.alloc(0), side: 'after' as const },
  };
  const visit = (
    bytes: Buffer,
    start: number,
    end: number,
    { block, slot }: { block: number; slot: number },
  ): boolean => {
    const text = textOf(bytes.subarray(start, end));
    const rfa = (block * 256 + slot).toString(16).padStart(12, '0');
    const id = text.slice(0, 8).trim();
    if (found.has(id)) throw new Error(`${id} is there twice`);
    found.set(id, { rfa, text });
    return true;
  };
  while ((await file.scan(cursor, visit, 1000)) === 'more');
  return found;
}

const textOf = (record: Uint8Array): string => Buffer.from(record).toString('latin1');
