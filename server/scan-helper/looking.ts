// The thread's work on one select: looks through parts of a file ahead of its walk and writes down what matches, until
// the walk is through, stops, or stands still. Whatever goes wrong, it ends, and the walk looks for itself; so it is
// the walk that meets damage and tells of it. helper.ts runs it.

import { helpedPatienceMs } from '../../shared/base/limits.js';
import { compilePredicate } from '../select/predicate.js';
import type { Predicate } from '../select/query-plan.js';
import { makeAddress } from '../storage/lmdb/address.js';
import { BlockSearch } from '../storage/lmdb/unmapped/block-search.js';
import { HelperBoard } from './board.js';
import { Course, firstBlockOf, partOf } from './course.js';
import type { Question } from './question.js';

/** Never throws. */
export function look({ memory, state, where }: Question): void {
  const board = new HelperBoard(memory);
  let search: BlockSearch | undefined;
  try {
    search = new BlockSearch(state);
    const partsEnd = partOf(state.nextBlock - 1) + 1;
    new Looking(board, search, compilePredicate(where)).run(partsEnd);
  } catch {
    // Damage, or the state is gone and its pages are others: the walk finds out.
  } finally {
    search?.close();
    board.end();
  }
}

class Looking {
  readonly #board: HelperBoard;
  readonly #search: BlockSearch;
  readonly #matches: Predicate;

  constructor(board: HelperBoard, search: BlockSearch, matches: Predicate) {
    this.#board = board;
    this.#search = search;
    this.#matches = matches;
  }

  run(partsEnd: number): void {
    const board = this.#board;
    const course = new Course(board.position, partsEnd);
    while (!board.isStopped) {
      const { position } = board;
      const next = course.next(position);
      if (next === 'end') return;
      if (next === 'wait') {
        if (!board.waitForWalk(position, helpedPatienceMs)) return;
        continue;
      }
      if (next.isInNewWindow) board.turn();
      if (!this.#lookThrough(next.part)) course.skipWindow();
    }
  }

  /** False when there is no room for all that matches, or records are out of line. */
  #lookThrough(part: number): boolean {
    const board = this.#board;
    const firstBlock = firstBlockOf(part);
    board.begin(part);
    const looked = this.#search.search(firstBlock, firstBlockOf(part + 1), this.#matches, (match) =>
      board.add(makeAddress(match.block - firstBlock, match.slot), match),
    );
    if (looked === undefined) return false;
    board.report(part, looked);
    return true;
  }
}
