// A process that writes an ISAM file when it is told to, line by line on its input, and tells what it
// had acknowledged. What its flushes made certain it copies beside the file, as do other such processes:
// the tests make images of a failing disk from these copies.
//
//   store ID…   answers the same ids        close   answers `closed`, and opens again at the next store

import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { StoredFile } from '../../../../../server/storage/engine.js';
import { DataFile } from '../../../../../server/storage/lmdb/data-file.js';
import { createLmdbEngine } from '../../../../../server/storage/lmdb/engine.js';
import { CommitLog } from '../../../../../server/storage/lmdb/log/commit-log.js';
import { LogFile } from '../../../../../server/storage/lmdb/log/log-file.js';
import { insertRow } from '../../../../conformance/storage-rows.js';

const [path = '', bootId = ''] = process.argv.slice(2);

/** Numbers the flushes of all processes by their beginnings, so that a late one takes nothing back. */
function beginFlush(): { copy: string; ticket: number } {
  const ticket = Number(readFileSync(`${path}.flushes`, 'latin1')) + 1;
  writeFileSync(`${path}.flushes`, `${ticket}`);
  const copy = `${path}.begun-${process.pid}-${ticket}`;
  copyFileSync(path, copy);
  return { copy, ticket };
}
function endFlush({ copy, ticket }: { copy: string; ticket: number }): void {
  const latest = Number(readFileSync(`${path}.durable-ticket`, 'latin1'));
  if (latest > ticket) return rmSync(copy);
  renameSync(copy, `${path}.durable`);
  writeFileSync(`${path}.durable-ticket`, `${ticket}`);
}
function keepLog(): void {
  if (existsSync(`${path}-log`)) copyFileSync(`${path}-log`, `${path}.durable-log`);
}

const { sync, flush } = DataFile.prototype;
DataFile.prototype.sync = function (this: DataFile): void {
  const flushed = beginFlush();
  sync.call(this);
  endFlush(flushed);
};
DataFile.prototype.flush = function (this: DataFile, done: (error: unknown) => void): void {
  const flushed = beginFlush();
  flush.call(this, (error) => {
    endFlush(flushed);
    done(error);
  });
};
const logSync = LogFile.prototype.sync;
LogFile.prototype.sync = function (this: LogFile): void {
  logSync.call(this);
  keepLog();
};
const { create } = LogFile;
LogFile.create = (at, slot) => {
  const made = create.call(LogFile, at, slot);
  keepLog();
  return made;
};
const { committed } = CommitLog.prototype;
CommitLog.prototype.committed = function (this: CommitLog, bytes) {
  committed.call(this, bytes * 30);
};

const engine = createLmdbEngine({ bootId });
let file: StoredFile | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ...ids] = line.split(' ');
  if (verb === 'close') {
    await file?.close();
    file = undefined;
    if (!existsSync(`${path}-log`) && existsSync(`${path}.durable-log`)) {
      renameSync(`${path}.durable-log`, `${path}.gone-log`);
    }
    process.stdout.write('closed\n');
    continue;
  }
  file ??= await engine.open(path);
  const opened = file;
  await Promise.all(
    ids.map((id) =>
      insertRow(opened, { id, group: 'g', rank: id.slice(0, 1), note: id.repeat(40) }),
    ),
  );
  process.stdout.write(`${ids.join(' ')}\n`);
}
