// The log of one open file: makes a group of steps durable before LMDB has it, so that LMDB itself need
// not be flushed for each. ../README.md has the rules; in short:
//
//   checkpoint   a state of the LMDB file whose pages are all on the disk; its meta page is in a slot
//   pin          a reader of LMDB at the checkpoint, so that none of its pages is written anew
//   hold         both, and the place of the next entry: what this process has from its first write
//                until it is idle, closes, or another process writes
//
//   log ─▶ entry at the end of the area, flushed ─▶ (LMDB commits, unflushed) ─▶ committed
//
// An entry is deferred when its group is answered before LMDB commits. Then its transaction may take more groups,
// each with an entry of its own; `pending` are those of a transaction that is not committed yet.
//
// Now and then `log` begins a checkpoint of the state before its transaction: the first entry of that is the first
// of the other area, LMDB's pages are flushed beside the work, and the entry written after that takes
// the slot to the disk with it. Where that cannot be, all is done at once under LMDB's write lock.

import { randomBytes } from 'node:crypto';
import { logAreaBytes, logIdleMs } from '../../../../shared/base/limits.js';
import type { FileState } from '../data-file.js';
import type { Store } from '../open-store.js';
import { type Checkpoint, dueBytes, pinState } from './checkpoint.js';
import {
  type Area,
  decodeEntry,
  ENTRY_HEAD_BYTES,
  EPOCH_BYTES,
  otherArea,
  type Slot,
  sealEntry,
} from './format.js';
import { LogFile } from './log-file.js';
import { StepWriter } from './step-codec.js';

interface Hold {
  readonly file: LogFile;
  /** The checkpoint that counts after a power failure. */
  durable: Checkpoint;
  /** The one after it, once it has begun. */
  next: Checkpoint | undefined;
  /** Where the next entry goes. */
  area: Area;
  offset: number;
  /** The state our last committed transaction left. */
  transaction: number;
  /** Entries of the transaction after it, and where the first of them is. */
  entries: number;
  start: number;
  /** Bytes written to LMDB's pages since the last checkpoint began. */
  bytes: number;
  isIdle: boolean;
}

export class CommitLog {
  readonly #store: Store;
  readonly #bootId: string;
  /** Takes down the steps of the transaction that runs. */
  readonly steps = new StepWriter();
  #file: LogFile | undefined;
  /** The last slot of ours. */
  #slot: Slot | undefined;
  #hold: Hold | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  /** Where the entry is whose group is not answered yet. */
  #unanswered: number | undefined;
  /** Of a flush: then nobody knows what is on the disk. */
  #failure: unknown;

  constructor(store: Store, bootId: string) {
    this.#store = store;
    this.#bootId = bootId;
  }

  /** To be called in a transaction on `state` that is not logged, before it is committed. */
  prepare(state: FileState): void {
    this.#held(state);
  }

  /**
   * Makes the steps taken down durable, in the transaction that makes them out of `state`: at its end, or when it
   * `isDeferred`, which is as if the transaction was committed. False when the log cannot hold them: then a
   * `checkpoint` must follow the commit. Throws when the disk fails: then there must be no commit.
   */
  log(state: FileState, isDeferred = false): boolean {
    const { entry } = this.steps;
    const hold = this.#heldFor(state, entry?.length ?? 0);
    if (entry === undefined || hold === undefined) return false;
    const arriving = hold.next?.isFlushed === true ? hold.next : undefined;
    if (arriving !== undefined) this.#writeSlot(hold.file, arriving.slot);
    if (hold.entries === 0) {
      if (hold.next === undefined && isDue(hold, state, entry.length)) this.#begin(hold, state);
      hold.start = hold.offset;
    }
    const place = { transaction: state.transaction + 1, place: hold.entries, isDeferred };
    sealEntry(entry, place, hold.durable.slot.epoch);
    this.#unanswered = hold.offset;
    this.#attempt(() => {
      hold.file.writeEntry(hold.area, hold.offset, entry);
      hold.file.sync();
    });
    if (arriving !== undefined) {
      hold.durable.pin.done();
      hold.durable = arriving;
      hold.next = undefined;
    }
    hold.offset += entry.length;
    hold.entries++;
    hold.isIdle = false;
    if (isDeferred) this.#unanswered = undefined;
    return true;
  }

  /** True when the transaction that is open can take another entry, for all that can be known. */
  get hasRoom(): boolean {
    const hold = this.#hold;
    const { entry } = this.steps;
    return hold !== undefined && hold.offset + 2 * (entry?.length ?? 0) <= logAreaBytes;
  }

  /** The transaction that `log` was called in is committed; it wrote about `bytes` to LMDB's pages. */
  committed(bytes: number): void {
    this.#unanswered = undefined;
    const hold = this.#hold;
    if (hold === undefined || hold.entries === 0) return;
    hold.transaction++;
    hold.entries = 0;
    hold.bytes += bytes;
  }

  /**
   * The group that ran last failed, perhaps after `log`: its entry is erased, and unless others are pending the next
   * transaction begins another epoch.
   */
  failed(): void {
    const at = this.#unanswered;
    const hold = this.#hold;
    this.#unanswered = undefined;
    if (at === undefined || hold === undefined) return;
    if (hold.offset > at) {
      hold.offset = at;
      hold.entries--;
    }
    try {
      hold.file.eraseEntry(hold.area, at);
    } catch (error) {
      this.#failure ??= error;
    }
    if (hold.entries === 0) this.#letGo();
  }

  /** The bodies of the entries that were answered in a transaction that was not committed. */
  pending(): Buffer[] {
    const hold = this.#hold;
    const bodies: Buffer[] = [];
    if (hold === undefined || hold.entries === 0) return bodies;
    const bytes = hold.file.area(hold.area);
    for (let at = hold.start; bodies.length < hold.entries; ) {
      const entry = decodeEntry(bytes, at, hold.durable.slot.epoch);
      if (entry === undefined) throw new Error('an entry of the log is gone');
      bodies.push(entry.body);
      at += ENTRY_HEAD_BYTES + entry.body.length;
    }
    return bodies;
  }

  /** What is pending is in the log only, and stays there for who opens the file anew. */
  lose(loss: unknown): void {
    this.#failure ??= loss;
  }

  /** Makes the newest state durable, in a transaction of its own. */
  checkpoint(): void {
    const { environment } = this.#store;
    environment.transact(() => {
      this.#checkpoint(environment.data.newest());
      return 'undo';
    });
  }

  /** Leaves the file as one plain LMDB file, unless another process writes it. */
  close(): void {
    try {
      if (this.#file !== undefined && this.#failure === undefined) this.#retire(this.#file);
    } finally {
      this.#letGo();
      this.#file?.close();
      this.#file = undefined;
    }
  }

  #retire(file: LogFile): void {
    const { environment, layout } = this.#store;
    environment.transact(() => {
      const slot = this.#slot;
      const isOurs = slot !== undefined && file.isAt(layout.path) && this.#isNewest(file);
      if (!isOurs) return 'undo';
      environment.data.sync();
      file.retire(layout.path, slot);
      return 'undo';
    });
  }

  /** The hold that a transaction on `state` needs; when there is none, or another wrote, a new one. */
  #held(state: FileState): Hold {
    if (this.#failure !== undefined) throw this.#failure;
    const hold = this.#hold;
    const isOurs = hold?.transaction === state.transaction && this.#isNewest(hold.file);
    return isOurs && hold !== undefined ? hold : this.#checkpoint(state);
  }

  /**
   * The same with room for an entry; waits for the checkpoint that has begun when it comes too late. Undefined when
   * there is no room and the transaction has entries already: they must stay in one area.
   */
  #heldFor(state: FileState, entryBytes: number): Hold | undefined {
    const open = this.#hold;
    if (open !== undefined && open.entries > 0) {
      if (this.#failure !== undefined) throw this.#failure;
      return open.offset + entryBytes > logAreaBytes ? undefined : open;
    }
    const hold = this.#held(state);
    if (hold.next === undefined) return hold;
    const isFull = hold.offset + entryBytes > logAreaBytes;
    const isLate = !hold.next.isFlushed && hold.bytes > 2 * dueBytes(state);
    return isFull || isLate ? this.#checkpoint(state) : hold;
  }

  /** Makes `state`, the newest, durable at once and holds it. Needs LMDB's write lock. */
  #checkpoint(state: FileState): Hold {
    if (this.#failure !== undefined) throw this.#failure;
    const { data } = this.#store.environment;
    const file = this.#currentFile();
    const generation = (file?.newestSlot()?.generation ?? 0) + 1;
    const next = this.#pinned(state, generation, randomBytes(EPOCH_BYTES), 0);
    try {
      this.#attempt(() => data.sync());
      const written = file === undefined ? this.#create(next.slot) : file;
      if (file !== undefined) this.#attempt(() => this.#writeSlot(file, next.slot).sync());
      this.#letGo();
      this.#hold = holdOf(written, next, state);
    } catch (error) {
      next.pin.done();
      throw error;
    }
    this.#watch();
    return this.#hold;
  }

  /** Begins a checkpoint of `state`: the entry of the transaction on it goes to the other area. */
  #begin(hold: Hold, state: FileState): void {
    const { generation, epoch } = hold.durable.slot;
    const next = this.#pinned(state, generation + 1, epoch, otherArea(hold.area));
    hold.next = next;
    hold.area = next.slot.area;
    hold.offset = 0;
    hold.bytes = 0;
    this.#store.environment.data.flush((error) => {
      if (error) this.#failure = error;
      else next.isFlushed = true;
    });
  }

  #pinned(state: FileState, generation: number, epoch: Buffer, area: Area): Checkpoint {
    return pinState(this.#store, state, { generation, epoch, area, bootId: this.#bootId });
  }

  /** The log as it is found now: another process may have removed the one we knew, or made one. */
  #currentFile(): LogFile | undefined {
    const { path } = this.#store.layout;
    if (this.#file?.isAt(path) === true) return this.#file;
    this.#letGo();
    this.#file?.close();
    this.#file = undefined;
    this.#file = LogFile.open(path);
    return this.#file;
  }

  #create(slot: Slot): LogFile {
    this.#file = LogFile.create(this.#store.layout.path, slot);
    this.#slot = slot;
    return this.#file;
  }

  #writeSlot(file: LogFile, slot: Slot): LogFile {
    this.#attempt(() => file.writeSlot(slot));
    this.#slot = slot;
    return file;
  }

  #isNewest(file: LogFile): boolean {
    return this.#slot !== undefined && file.isNewest(this.#slot.epoch, this.#slot.generation);
  }

  /** Runs what must not fail: after it has, this process takes no more writes for the file. */
  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  #letGo(): void {
    const hold = this.#hold;
    this.#hold = undefined;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
    hold?.durable.pin.done();
    hold?.next?.pin.done();
  }

  /** Lets go when nothing was written for a while: pinned pages are kept from all processes. */
  #watch(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      if (this.#hold === undefined) return;
      if (this.#hold.isIdle && this.#hold.entries === 0) this.#letGo();
      else {
        this.#hold.isIdle = true;
        this.#watch();
      }
    }, logIdleMs);
    this.#idleTimer.unref();
  }
}

const holdOf = (file: LogFile, durable: Checkpoint, { transaction }: FileState): Hold => ({
  file,
  durable,
  next: undefined,
  area: durable.slot.area,
  offset: 0,
  transaction,
  entries: 0,
  start: 0,
  bytes: 0,
  isIdle: false,
});

const isDue = (hold: Hold, state: FileState, entryBytes: number): boolean =>
  hold.bytes > dueBytes(state) || hold.offset + entryBytes > logAreaBytes;
