// An LMDB file for tests of reading in place: tables written and read by lmdb-js on one side, the same tables
// read in place on the other.

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as lmdb from 'lmdb';
import type { Test } from 'tap';
import { Committed } from '../../../../../server/storage/lmdb/mapped/committed.js';
import { MemoryMap, type PartSizes } from '../../../../../server/storage/lmdb/mapped/memory-map.js';
import {
  type NativeEnvironment,
  ReaderSlot,
} from '../../../../../server/storage/lmdb/mapped/reader-slot.js';
import { Tree } from '../../../../../server/storage/lmdb/mapped/tree.js';

const KNOWN = Buffer.from('known');
const binary = { keyEncoding: 'binary', encoding: 'binary' } as const;

/** What we use of a table of lmdb-js. */
export interface PlainTable {
  readonly dbAddress: number;
  get(key: Uint8Array): Buffer | undefined;
  getBinaryFast(key: Uint8Array): Buffer | undefined;
  getRange(options: object): Iterable<{ key: Buffer; value: Buffer }>;
  put(key: Uint8Array, value: Uint8Array): unknown;
  remove(key: Uint8Array): unknown;
}

interface Root {
  readonly env: NativeEnvironment & { info(): { mapSize: number; lastTxnId: number } };
  openDB(options: object): PlainTable;
  transactionSync(step: () => void): void;
  resetReadTxn(): void;
  close(): Promise<void>;
}

export class MappedTestFile {
  readonly path: string;
  readonly root: Root;
  readonly map: MemoryMap;
  readonly slot: ReaderSlot;
  readonly committed: Committed;
  /** How often the head was to be put right. */
  headsPutRight = 0;

  constructor(path: string, sizes?: PartSizes, options: object = {}) {
    this.path = path;
    this.root = lmdb.open({
      path,
      noSubdir: true,
      maxDbs: 20,
      overlappingSync: false,
      noSync: true,
      ...binary,
      ...options,
    }) as unknown as Root;
    this.slot = new ReaderSlot(this.root.env);
    const first = this.table('first');
    this.write(() => first.put(KNOWN, Buffer.from('a value')));
    const { env } = this.root;
    this.map = new MemoryMap(
      {
        dbAddress: first.dbAddress,
        keyBytes: KNOWN.length,
        read: () => first.getBinaryFast(KNOWN),
        mapBytes: () => env.info().mapSize,
        fileBytes: () => statSync(path).size,
      },
      sizes,
    );
    this.committed = new Committed(this.map, this.slot, {
      number: () => env.info().lastTxnId,
      settle: () => undefined,
      putRight: () => {
        this.headsPutRight++;
      },
    });
  }

  table(name: string): PlainTable {
    return this.root.openDB({ name, ...binary });
  }

  tree(name: string): Tree {
    return new Tree(this.committed, name);
  }

  /** One transaction. */
  write(step: () => void): void {
    this.root.transactionSync(() => {
      step();
    });
    this.root.resetReadTxn();
  }

  close(): Promise<void> {
    this.committed.close();
    return this.root.close();
  }
}

/** A file that is closed and removed when the test ends. */
export function mappedFile(t: Test, sizes?: PartSizes, options: object = {}): MappedTestFile {
  const path = join(t.testdir(), 'file');
  const file = new MappedTestFile(path, sizes, options);
  t.teardown(async () => {
    await file.close();
    rmSync(path, { force: true });
  });
  return file;
}

/** Numbers below `below`, the same ones for the same seed. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 0x1_0000_0000) * below);
  };
}
