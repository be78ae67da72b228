// What a disk may hold after a power failure: of all that was written since the last flush, any part. It
// watches one ISAM file and its log by listening where the program flushes them, and makes images of
// what could be found after a restart.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { DataFile } from '../../../../../server/storage/lmdb/data-file.js';
import { LogFile } from '../../../../../server/storage/lmdb/log/log-file.js';

const PAGE = 4096;
const SECTOR = 512;

type Random = (below: number) => number;

/** What a disk holds for certain, and what it may hold. */
interface Content {
  durable: Buffer | undefined;
}

export interface CrashImage {
  readonly data: Buffer;
  readonly log: Buffer | undefined;
  /** Of a process that was killed: what is on the disk of what the system has. */
  readonly durable?: CrashImage;
}

export class FailingDisk {
  readonly #random: Random;
  readonly #path: string;
  readonly #data: Content;
  readonly #log: Content;
  /** Called at each moment at which a failure is of interest. */
  onMoment: (moment: string) => void = () => undefined;

  /** `durable`: what is on the disk, when that is not all that there is. */
  constructor(path: string, random: Random, durable?: CrashImage) {
    this.#random = random;
    this.#path = path;
    this.#data = { durable: durable?.data ?? readFileSync(path) };
    this.#log = { durable: durable === undefined ? read(`${path}-log`) : durable.log };
  }

  /** Listens until the returned function is called. */
  watch(): () => void {
    const data = { sync: DataFile.prototype.sync, flush: DataFile.prototype.flush };
    const { sync } = LogFile.prototype;
    const { create } = LogFile;
    const disk = this;
    DataFile.prototype.sync = function (this: DataFile): void {
      disk.onMoment('before the pages are flushed');
      data.sync.call(this);
      disk.#data.durable = readFileSync(disk.#path);
      disk.onMoment('after the pages were flushed');
    };
    DataFile.prototype.flush = function (this: DataFile, done: (error: unknown) => void): void {
      const begun = readFileSync(disk.#path);
      const { durable } = disk.#data;
      data.flush.call(this, (error) => {
        if (disk.#data.durable === durable) disk.#data.durable = begun;
        disk.onMoment('after pages were flushed beside the work');
        done(error);
      });
    };
    LogFile.prototype.sync = function (this: LogFile): void {
      disk.onMoment('before the log is flushed');
      sync.call(this);
      disk.#log.durable = read(`${disk.#path}-log`);
      disk.onMoment('after the log was flushed');
    };
    LogFile.create = (path, slot) => {
      const made = create.call(LogFile, path, slot);
      disk.#log.durable = read(`${disk.#path}-log`);
      disk.onMoment('after a log was made');
      return made;
    };
    return () => {
      Object.assign(DataFile.prototype, data);
      LogFile.prototype.sync = sync;
      LogFile.create = create;
    };
  }

  /** What the next opener finds if the process is killed now. */
  killed(): CrashImage {
    const durable = { data: this.#data.durable ?? Buffer.alloc(0), log: this.#log.durable };
    return { data: readFileSync(this.#path), log: read(`${this.#path}-log`), durable };
  }

  /** What might be found if the power failed now. */
  image(): CrashImage {
    const share = [0, 1, 10, 50, 90, 99, 100][this.#random(7)] ?? 50;
    const unit = this.#random(3) === 0 ? SECTOR : PAGE;
    const data = this.#mix(this.#data.durable, readFileSync(this.#path), share, unit);
    const now = read(`${this.#path}-log`);
    const { durable } = this.#log;
    // A name that was removed may come back, as it was last known to be.
    if (now === undefined) return { data, log: this.#random(2) === 0 ? undefined : durable };
    return { data, log: this.#mix(durable, now, share, SECTOR) };
  }

  #mix(durable: Buffer = Buffer.alloc(0), now: Buffer, share: number, unit: number): Buffer {
    const isKept = (): boolean => this.#random(100) >= share;
    const bytes = Buffer.alloc(isKept() ? Math.max(durable.length, PAGE) : now.length);
    for (let at = 0; at < bytes.length; at += unit) {
      const end = Math.min(bytes.length, at + unit);
      const isSame = end <= durable.length && durable.compare(now, at, end, at, end) === 0;
      const from = !isSame && isKept() ? durable : now;
      if (at < from.length) from.copy(bytes, at, at, Math.min(end, from.length));
    }
    return bytes;
  }
}

export function putImage(path: string, { data, log }: CrashImage): void {
  writeFileSync(path, data);
  if (log !== undefined) writeFileSync(`${path}-log`, log);
}

const read = (path: string): Buffer | undefined =>
  existsSync(path) ? readFileSync(path) : undefined;
