// How fast one core looks at records: scans of 1,000,000 records of 200 bytes in this process, in stored order
// and by key, without and with filters. No network, no second process. README.md beside this tells how to
// measure on noisy cores.
// Usage: npm run build && node dist/test/bench/select-scan.js [ROUNDS] [RECORDS]

import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { compilePredicate } from '../../server/select/predicate.js';
import type { ScanCursor, ScanFilter, StoredFile } from '../../server/storage/engine.js';
import { createLmdbEngine } from '../../server/storage/lmdb/engine.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { BoundExpression, BoundOperand } from '../../shared/select/bound.js';
import type { Comparison } from '../../shared/select/expression.js';

const [rounds = 5, records = 1_000_000] = process.argv.slice(2).map(Number);
const RECORD_BYTES = 200;
const RECORDS_PER_CALL = 16_384;

const spec: FileSpec = {
  record: { size: RECORD_BYTES, format: 'fixed' },
  keys: [
    {
      name: 'NUMBER',
      segments: [{ offset: 0, length: 12, type: 'alpha', order: 'ascending' }],
      dups: 'none',
      modifiable: false,
    },
  ],
  fields: [],
  networkEncrypt: false,
  text: '',
  attributes: {},
};

/** number 0-11 | amount 12-17, decimal 6 | state 18-19 | date 20-27 | filling. */
function recordOf(number: number): Buffer {
  const amount = String((number * 7919) % 1_000_000).padStart(6, '0');
  const state = `${String.fromCharCode(65 + (number % 10))}${String.fromCharCode(65 + ((number / 10) % 10))}`;
  const date = `2017${String(1 + (number % 12)).padStart(2, '0')}${String(1 + (number % 28)).padStart(2, '0')}`;
  return Buffer.from(
    `${String(number).padStart(12, '0')}${amount}${state}${date}`.padEnd(RECORD_BYTES, 'x'),
  );
}

const operand = (offset: number, length: number, type: BoundOperand['type']): BoundOperand => ({
  text: 'field',
  offset,
  length,
  type,
  precision: 0,
  ...(type === 'date' ? { format: 'YYYYMMDD' } : {}),
});
const amountIs = (comparison: Comparison, unscaled: bigint): BoundExpression => ({
  op: 'compare',
  operand: operand(12, 6, 'decimal'),
  comparison,
  value: { kind: 'number', unscaled, exact: true },
  nocase: false,
});
const stateIs = (comparison: Comparison, text: string): BoundExpression => ({
  op: 'compare',
  operand: operand(18, 2, 'alpha'),
  comparison,
  value: { kind: 'text', bytes: Buffer.from(text) },
  nocase: false,
});
const dateIs = (comparison: Comparison, rank: number): BoundExpression => ({
  op: 'compare',
  operand: operand(20, 8, 'date'),
  comparison,
  value: { kind: 'digits', digits: String(rank), rank },
  nocase: false,
});
const three: BoundExpression = {
  op: 'and',
  terms: [amountIs('<', 200_000n), stateIs('>=', 'E'), dateIs('>=', 20_171_101)],
};

async function load(file: StoredFile): Promise<void> {
  for (let first = 0; first < records; first += 10_000) {
    const count = Math.min(10_000, records - first);
    const drafts = Array.from({ length: count }, (_, index) => {
      const record = recordOf(first + index);
      const keys = [record.subarray(0, 12)];
      return { sequences: [], finish: () => ({ record, keys }) };
    });
    const { error } = await file.insertMany(drafts);
    if (error !== undefined) throw error;
  }
}

/** Records a second, CPU time of this process for each, and how many were shown. */
async function scanAll(file: StoredFile, order: number | 'stored', filter?: ScanFilter) {
  const cursor: ScanCursor = {
    order,
    direction: 'forward',
    from: { prefix: Buffer.alloc(0), side: 'before' },
    until: { prefix: Buffer.alloc(0), side: 'after' },
  };
  let shown = 0;
  const visit = (): boolean => {
    shown++;
    return true;
  };
  const before = process.cpuUsage();
  const started = performance.now();
  while ((await file.scan(cursor, visit, RECORDS_PER_CALL, filter)) === 'more') {
    await new Promise(setImmediate);
  }
  const perSecond = (records * 1000) / (performance.now() - started);
  const { user, system } = process.cpuUsage(before);
  return { shown, perSecond, nanoseconds: ((user + system) * 1000) / records };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const directory = mkdtempSync(join(tmpdir(), 'rsynd-bench-'));
const engine = createLmdbEngine();
try {
  const path = join(directory, 'bench.ism');
  await engine.create(path, spec);
  const file = await engine.open(path);
  await load(file);
  const lines: [name: string, order: number | 'stored', where?: BoundExpression][] = [
    ['stored order, all shown', 'stored'],
    ['stored order, decimal(6), 1 %', 'stored', amountIs('<', 10_000n)],
    ['stored order, alpha(2), 1 %', 'stored', stateIs('=', 'AA')],
    ['stored order, three conditions', 'stored', three],
    ['key order, all shown', 0],
    ['key order, decimal(6), 1 %', 0, amountIs('<', 10_000n)],
  ];
  console.log(
    `${cpus()[0]?.model}, Node ${process.version}, ${records} records of ${RECORD_BYTES} bytes, ${rounds} rounds`,
  );
  for (const [name, order, where] of lines) {
    const filter = where === undefined ? undefined : compilePredicate(where);
    const done = [await scanAll(file, order, filter)].slice(1); // the first one compiles
    for (let round = 0; round < rounds; round++) done.push(await scanAll(file, order, filter));
    const rate = median(done.map(({ perSecond }) => perSecond)) / 1e6;
    const cost = median(done.map(({ nanoseconds }) => nanoseconds));
    console.log(
      `${name.padEnd(32)}${rate.toFixed(2).padStart(7)} M records/s, ` +
        `${cost.toFixed(0).padStart(4)} ns of CPU each, ${done[0]?.shown} shown`,
    );
  }
} finally {
  await engine.close();
  rmSync(directory, { recursive: true });
}
