// A file that is open and written, time that stands still, and what a killed process would leave of the file.

import { copyFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import type { StorageEngine, StoredFile } from '../../../../server/storage/engine.js';
import { DataFile } from '../../../../server/storage/lmdb/data-file.js';
import { createLmdbEngine } from '../../../../server/storage/lmdb/engine.js';
import { deferredIdleMs } from '../../../../shared/base/limits.js';
import { problemsOf } from '../../../conformance/storage.js';
import { insertRow, makeFile, walkIds } from '../../../conformance/storage-rows.js';

export const key = (id: string): Buffer => Buffer.from(id.padEnd(8));
export const bootId = (run: number): string => `run-${run}`.padEnd(36, '-');

/** Time stands still, so that nothing is committed because it is time: `idle` says that a moment went by. */
export function stopTime(t: Test) {
  const { setTimeout: real } = globalThis;
  const { now } = performance;
  const steps: (() => void)[] = [];
  const clock = {
    ms: now.call(performance),
    idle: () => {
      for (const step of steps.splice(0)) step();
    },
  };
  const stub = (step: () => void, ms: number): NodeJS.Timeout => {
    if (ms === deferredIdleMs) steps.push(step);
    return real(ms === deferredIdleMs ? () => undefined : step, ms);
  };
  globalThis.setTimeout = stub as typeof setTimeout;
  performance.now = () => clock.ms;
  t.teardown(() => {
    globalThis.setTimeout = real;
    performance.now = now;
  });
  return clock;
}

export interface Open {
  readonly path: string;
  readonly engine: StorageEngine;
  readonly file: StoredFile;
  /** Number of LMDB's newest transaction. */
  committed(): number;
}

/** An empty file, open and written to: the next store is one that nothing else is waited for. */
export async function openFile(t: Test): Promise<Open> {
  const path = join(t.testdir(), 'rows.ism');
  const engine = createLmdbEngine({ bootId: bootId(0) });
  t.teardown(() => engine.close());
  const file = await makeFile(engine, path);
  await insertRow(file, { id: 'a' });
  file.facts();
  const committed = (): number => {
    const data = new DataFile(path);
    const { transaction } = data.newest();
    data.close();
    return transaction;
  };
  return { path, engine, file, committed };
}

/** What a process that is killed now leaves; its path. */
export function kill(path: string, name = 'found.ism'): string {
  const copy = join(dirname(path), name);
  copyFileSync(path, copy);
  if (existsSync(`${path}-log`)) copyFileSync(`${path}-log`, `${copy}-log`);
  return copy;
}

/** The ids of a file as its next opener finds it, in that run of the machine. */
export async function idsOf(path: string, run = 0, write = false): Promise<string[]> {
  const engine = createLmdbEngine({ bootId: bootId(run) });
  try {
    const file = await engine.open(path);
    if (write) await insertRow(file, { id: 'new' });
    const ids = await walkIds(file, 0);
    const problems = await problemsOf(file);
    if (problems.length > 0) throw new Error(problems[0]?.detail);
    return ids;
  } finally {
    await engine.close();
  }
}

/** Runs a program in a process of its own that has the file open. */
export function elsewhere(path: string, program: string): string[] {
  const isSource = import.meta.url.endsWith('.ts');
  const module = (name: string): string =>
    new URL(isSource ? name.replace(/js$/, 'ts') : name, import.meta.url).href;
  const code = `
    const { createLmdbEngine } = await import('${module('../../../../server/storage/lmdb/engine.js')}');
    const { insertRow } = await import('${module('../../../conformance/storage-rows.js')}');
    const engine = createLmdbEngine({ bootId: '${bootId(0)}' });
    const file = await engine.open(${JSON.stringify(path)});
    ${program}`;
  return [...(isSource ? process.execArgv : []), '--input-type=module', '-e', code];
}
