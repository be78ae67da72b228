// `<name>-log` on the disk: its two slots and two areas, written, flushed and read. format.ts has the
// bytes. It is made, taken over and removed only by who holds LMDB's write lock on the file it belongs to.

import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename } from 'node:path';
import { RsyndError } from '../../../../shared/base/error.js';
import { logAreaBytes, logChunkBytes } from '../../../../shared/base/limits.js';
import { requireDescriptors } from '../../../descriptors.js';
import { syncDirectory } from '../flush.js';
import { isLink, logPath, strangeLog } from '../paths.js';
import {
  type Area,
  areaStart,
  decodeSlot,
  ENTRY_HEAD_BYTES,
  encodeSlot,
  SLOT_BYTES,
  SLOT_HEAD_BYTES,
  SLOTS,
  type Slot,
  slotEpoch,
  slotGeneration,
} from './format.js';

/** Its own, and that of the directory while it is made. */
const DESCRIPTORS_OF_LOG = 2;

export class LogFile {
  readonly #fd: number;
  readonly #heads = Buffer.alloc(SLOTS * SLOT_HEAD_BYTES);
  /** Bytes of each area that are in the file already. */
  readonly #written: [number, number];
  #slotInUse = 0;

  private constructor(fd: number) {
    this.#fd = fd;
    const { size } = fstatSync(fd);
    const within = (area: Area): number =>
      Math.max(0, Math.min(logAreaBytes, size - areaStart(area)));
    this.#written = [within(0), within(1)];
  }

  /** The log of the file at `path`; undefined when it has none. ERR_PROTEC, ERR_SRVRLIMIT. */
  static open(path: string): LogFile | undefined {
    requireDescriptors(basename(logPath(path)), DESCRIPTORS_OF_LOG);
    try {
      // Whoever may write to the directory could put a link there, and have us write elsewhere.
      const fd = openSync(logPath(path), constants.O_RDWR | constants.O_NOFOLLOW);
      const strange = strangeLog(path, fstatSync(fd));
      if (strange === undefined) return new LogFile(fd);
      closeSync(fd);
      throw strange;
    } catch (error) {
      if (codeOf(error) === 'ELOOP') throw isLink(basename(logPath(path)));
      if (codeOf(error) === 'ENOENT') return undefined;
      throw protectedOr(error, path);
    }
  }

  /**
   * Makes a log that has a slot from its first moment, with owner and mode of the file at `path`. ERR_PROTEC,
   * ERR_SRVRLIMIT.
   */
  static create(path: string, slot: Slot): LogFile {
    requireDescriptors(basename(logPath(path)), DESCRIPTORS_OF_LOG);
    const making = `${logPath(path)}.new`;
    const fd = openNew(making, path);
    try {
      writeSync(fd, encodeSlot(slot), 0, SLOT_BYTES, 0);
      fsyncSync(fd);
      shareLike(fd, path);
      renameSync(making, logPath(path));
    } catch (error) {
      closeSync(fd);
      rmSync(making, { force: true });
      throw error;
    }
    syncDirectory(path);
    return new LogFile(fd);
  }

  /** The slot that counts; undefined when none is whole. */
  newestSlot(): Slot | undefined {
    let newest: Slot | undefined;
    for (let number = 0; number < SLOTS; number++) {
      const slot = decodeSlot(this.#read(number * SLOT_BYTES, SLOT_BYTES));
      if (slot === undefined || slot.generation <= (newest?.generation ?? 0)) continue;
      newest = slot;
      this.#slotInUse = number;
    }
    return newest;
  }

  /** True when the slot of this epoch and generation was the last one written, by any process. */
  isNewest(epoch: Buffer, generation: number): boolean {
    const heads = this.#heads;
    for (let number = 0; number < SLOTS; number++) {
      const head = heads.subarray(number * SLOT_HEAD_BYTES, (number + 1) * SLOT_HEAD_BYTES);
      head.fill(0);
      readSync(this.#fd, head, 0, SLOT_HEAD_BYTES, number * SLOT_BYTES);
      const isOurs = number === this.#slotInUse;
      if (isOurs && !(slotGeneration(head) === generation && slotEpoch(head).equals(epoch))) {
        return false;
      }
      if (!isOurs && slotGeneration(head) > generation) return false;
    }
    return true;
  }

  /** Writes a slot over the older one. */
  writeSlot(slot: Slot): void {
    this.#slotInUse = (this.#slotInUse + 1) % SLOTS;
    this.#write(encodeSlot(slot), this.#slotInUse * SLOT_BYTES);
  }

  writeEntry(area: Area, offset: number, entry: Buffer): void {
    const end = offset + entry.length;
    const written = this.#written[area];
    if (end > written) {
      const until = Math.min(logAreaBytes, Math.ceil(end / logChunkBytes) * logChunkBytes);
      this.#write(Buffer.alloc(until - written), areaStart(area) + written);
      this.#written[area] = until;
    }
    this.#write(entry, areaStart(area) + offset);
  }

  /** Takes an entry back that was not committed. */
  eraseEntry(area: Area, offset: number): void {
    this.#write(Buffer.alloc(ENTRY_HEAD_BYTES), areaStart(area) + offset);
    this.sync();
  }

  area(area: Area): Buffer {
    return this.#read(areaStart(area), logAreaBytes);
  }

  /** What was written is on the disk when this returns. */
  sync(): void {
    fdatasyncSync(this.#fd);
  }

  /** Removes the log, also should its name come back after a power failure. */
  retire(path: string, last: Slot): void {
    this.writeSlot({ ...last, generation: last.generation + 1, isRetired: true });
    this.sync();
    rmSync(logPath(path), { force: true });
  }

  /** False when somebody removed the log or put another in its place. */
  isAt(path: string): boolean {
    const here = fstatSync(this.#fd);
    const there = lstatSync(logPath(path), { throwIfNoEntry: false });
    return here.ino === there?.ino && here.dev === there.dev;
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Bytes at `position`, zeros where the file has ended. */
  #read(position: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    readSync(this.#fd, bytes, 0, length, position);
    return bytes;
  }

  #write(bytes: Buffer, position: number): void {
    let done = 0;
    while (done < bytes.length) {
      done += writeSync(this.#fd, bytes, done, bytes.length - done, position + done);
    }
  }
}

function openNew(making: string, path: string): number {
  try {
    rmSync(making, { force: true });
    return openSync(making, 'wx+', 0o600);
  } catch (error) {
    throw protectedOr(error, path);
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

/** ERR_PROTEC when the system says that we may not, else the error itself. */
function protectedOr(error: unknown, path: string): unknown {
  const code = codeOf(error);
  if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') return error;
  const file = basename(path);
  const why = `${file}-log may not be written by this process; check owner and mode of it and its directory`;
  return new RsyndError('ERR_PROTEC', why, { file, cause: error });
}

/** Owner, group and mode of the file at `path`; where we may not give it away, only what is safe. */
function shareLike(fd: number, path: string): void {
  const { uid, gid, mode } = statSync(path);
  const now = fstatSync(fd);
  const isGiven =
    (now.uid === uid && now.gid === gid) || mayGive(fd, uid, gid) || mayGive(fd, now.uid, gid);
  fchmodSync(fd, mode & (isGiven ? 0o777 : 0o700));
}

function mayGive(fd: number, uid: number, gid: number): boolean {
  try {
    fchownSync(fd, uid, gid);
    return true;
  } catch {
    return false; // Not ours to give: the mode is made narrower instead.
  }
}
