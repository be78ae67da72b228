// The scan of a long file as it is stored, with a thread looking through parts ahead of it. It stands where the file's
// own `scan` does and answers the same: the same records in the same order, the same counts, the same points to go on
// from. Nobody waits for the thread: what is not looked through when the walk comes to it is looked at here. What it
// found counts only while nothing was committed since it was asked (`isNewest`); else this walk goes on alone.

import { type Answer, andThen } from '../../shared/base/answer.js';
import {
  helpedBlocksMax,
  helpedBlocksMin,
  helpedPatienceMs,
  helpedQuietMs,
  helpedVisitsPerStep,
} from '../../shared/base/limits.js';
import { makeRfa, rfaBlock, rfaSlot } from '../../shared/record/rfa.js';
import type { BoundExpression } from '../../shared/select/bound.js';
import type {
  ScanCursor,
  ScanFilter,
  ScanVisitor,
  StoredFile,
  Unmapped,
  UnmappedState,
} from '../storage/engine.js';
import { makeAddress, rfaToAddress } from '../storage/lmdb/address.js';
import { FIRST_BLOCK, SLOTS_MAX } from '../storage/lmdb/format.js';
import type { Board } from './board.js';
import { firstBlockOf, partOf } from './course.js';
import type { ScanHelper } from './scan-helper.js';
import { Stride } from './stride.js';
import { Taking } from './taking.js';

type State = 'more' | 'end';

export interface HelpedScanOptions {
  readonly stored: Pick<StoredFile, 'scan'>;
  readonly unmapped: Unmapped;
  readonly helper: Readonly<Pick<ScanHelper, 'isFree' | 'begin' | 'end' | 'requests'>>;
  readonly where: BoundExpression;
  /** What has to be looked at for one record, at worst. */
  readonly bytesPerRecord: number;
}

/** Help that was asked for. */
interface Help {
  readonly board: Board;
  readonly state: UnmappedState;
}

/** What a step of a scan is given besides its cursor. */
interface Step {
  readonly visit: ScanVisitor;
  readonly recordsMax: number;
  readonly filter: ScanFilter | undefined;
}

/** For one walk forward in stored order, from wherever its cursor is. */
export class HelpedScan implements Pick<StoredFile, 'scan'> {
  readonly #options: HelpedScanOptions;
  /** Steps of our own: what the thread found would make records look cheap. */
  readonly #stride: Stride;
  /** Help is asked for when the walk comes to this part: many end before. */
  #askAt: number | undefined;
  /** And not again for a while, whatever became of it (performance.now). */
  #askAgainMs = 0;
  /** What had been asked of this process when this walk began, or was last disturbed. */
  #requests: number;
  #help: Help | undefined;
  #isAlone = false;
  #taking: Taking | undefined;

  constructor(options: HelpedScanOptions) {
    this.#options = options;
    this.#stride = new Stride(options.bytesPerRecord);
    this.#requests = options.helper.requests;
  }

  scan(
    cursor: ScanCursor,
    visit: ScanVisitor,
    recordsMax: number,
    filter?: ScanFilter,
  ): Answer<State> {
    cursor.untilBlock = Number.POSITIVE_INFINITY;
    const part = partOf(blockOf(cursor));
    this.#giveWay(part);
    if (this.#taking === undefined && this.#help?.board.isSpent(part)) this.#letGo(part + 1);
    if (!this.#isAlone && this.#help === undefined) this.#ask(part);
    const help = this.#help;
    if (help === undefined) return this.#options.stored.scan(cursor, visit, recordsMax, filter);
    const step = { visit, recordsMax, filter };
    return this.#take(help, cursor, step) ? 'more' : this.#walk(help, cursor, step);
  }

  /** No more help is wanted. */
  close(): void {
    this.#letGo(0);
    this.#isAlone = true;
  }

  /** Somebody else asks something: the thread would take a core from whoever waits for the answer. */
  #giveWay(part: number): void {
    const { requests } = this.#options.helper;
    if (requests === this.#requests) return;
    this.#requests = requests;
    this.#askAgainMs = performance.now() + helpedQuietMs;
    if (this.#help !== undefined) this.#letGo(part + 1);
  }

  /** Help may be asked for again from part `askAt` on. */
  #letGo(askAt: number): void {
    if (this.#help !== undefined) this.#options.helper.end(this.#help.board);
    this.#help = undefined;
    this.#taking = undefined;
    this.#askAt = askAt;
  }

  #ask(part: number): void {
    const { helper, unmapped, where } = this.#options;
    this.#askAt ??= part + 1;
    if (part < this.#askAt || performance.now() < this.#askAgainMs || !helper.isFree) return;
    const state = unmapped.state();
    const blocksLeft = (state?.nextBlock ?? 0) - firstBlockOf(part);
    if (state === undefined || blocksLeft < helpedBlocksMin || state.nextBlock > helpedBlocksMax) {
      this.#isAlone = true;
      return;
    }
    this.#help = { board: helper.begin(state, where, part), state };
    this.#askAgainMs = performance.now() + helpedPatienceMs;
  }

  /** Goes through some of what the thread has found from here on; false when there is nothing. */
  #take({ board, state }: Help, cursor: ScanCursor, { visit, filter }: Step): boolean {
    let left = helpedVisitsPerStep;
    let isAny = false;
    while (left > 0) {
      this.#taking ??= takingAt(board, cursor);
      const taking = this.#taking;
      if (taking === undefined) return isAny;
      left -= 1 + taking.left;
      const isCurrent = this.#options.unmapped.isNewest(state);
      const taken = isCurrent ? taking.take(cursor, visit, filter) : 'bad';
      if (taken === 'bad') this.close();
      if (taken !== 'through') return true;
      isAny = true;
      this.#taking = undefined;
      board.enter(partOf(blockOf(cursor)));
    }
    return true;
  }

  /** As if there was no thread, up to the next part that it looks through or has looked through. */
  #walk({ board, state }: Help, cursor: ScanCursor, step: Step): Answer<State> {
    const stride = this.#stride;
    const { visit, filter } = step;
    const block = blockOf(cursor);
    const until = board.claim(partOf(block), partOf(block + stride.blocks));
    const untilBlock = firstBlockOf(until);
    const isLast = untilBlock >= state.nextBlock;
    if (!isLast) cursor.untilBlock = untilBlock;
    const sinceMs = performance.now();
    const before = cursor.looked ?? 0;
    const recordsMax = Math.min(step.recordsMax, stride.records);
    return andThen(this.#options.stored.scan(cursor, visit, recordsMax, filter), (ended) => {
      if (ended === 'end' && !isLast) cursor.rfa = makeRfa(untilBlock - 1, SLOTS_MAX);
      stride.note(sinceMs, (cursor.looked ?? 0) - before, blockOf(cursor) - block);
      return isLast ? ended : 'more';
    });
  }
}

/** The part that the cursor is ahead of, if the thread has looked through it. */
function takingAt(board: Board, cursor: ScanCursor): Taking | undefined {
  const block = blockOf(cursor);
  const part = partOf(block);
  if (block !== firstBlockOf(part) || !isAhead(cursor, block)) return undefined;
  const found = board.found(part);
  return found === undefined ? undefined : new Taking(board, part, found);
}

/** The block a scan goes on in. */
function blockOf({ rfa }: ScanCursor): number {
  if (rfa === undefined) return FIRST_BLOCK;
  return rfaSlot(rfa) === SLOTS_MAX ? rfaBlock(rfa) + 1 : rfaBlock(rfa);
}

/** Is nothing of the block, or what is behind it, looked at yet? */
const isAhead = ({ rfa }: ScanCursor, block: number): boolean =>
  rfa === undefined || rfaToAddress(rfa) < makeAddress(block, 0);
