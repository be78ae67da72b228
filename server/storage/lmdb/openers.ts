// Who has an LMDB file open. LMDB's table of readers (`<name>-lock`) tells: every process that opens the file takes a
// slot there before it waits for the write lock and before it reads a record, and keeps it while the file is open
// (the constructor of Environment). So who holds the write lock and finds only its own slots is alone: whoever
// comes now must wait for that lock. The slots of a process that died count until they are freed.
//
// A slot names process and thread; the thread tells apart processes of the same number, as containers have them.

import { statSync } from 'node:fs';

/** What is needed of an LMDB environment: the slots in use as lines `PROCESS THREAD TRANSACTION`, below a heading. */
export interface Listing {
  readerList(): string;
}

/** Openers in this process, by device and inode of the file. */
const ofProcess = new Map<string, Set<Opener>>();

/** An opener of a file: this process, once for each time that it has the file open. */
export class Opener {
  readonly #listing: Listing;
  readonly #identity: string;
  /** What our slots begin with; undefined when that is not known. */
  readonly #ours: string | undefined;

  /** To be made right after this environment took its first slot; `before` are the slots before that. */
  constructor(path: string, listing: Listing, before: readonly string[]) {
    this.#listing = listing;
    this.#ours = ownerAdded(before, slotsOf(listing));
    this.#identity = identityOf(path);
    const all = ofProcess.get(this.#identity) ?? new Set();
    ofProcess.set(this.#identity, all.add(this));
  }

  /** True when nobody else has the file open. To be asked inside a write transaction. */
  isAlone(): boolean {
    const ours = this.#ours;
    if (ours === undefined || ofProcess.get(this.#identity)?.size !== 1) return false;
    return slotsOf(this.#listing).every((slot) => slot === ours);
  }

  leave(): void {
    const all = ofProcess.get(this.#identity);
    all?.delete(this);
    if (all?.size === 0) ofProcess.delete(this.#identity);
  }
}

/** `PROCESS THREAD` of each slot in use. */
export function slotsOf(listing: Listing): string[] {
  const [, ...slots] = listing.readerList().trimEnd().split('\n');
  return slots.map((slot) => slot.trimStart().split(' ', 2).join(' '));
}

/** The one who has more slots than before, if that is one of our process number. */
function ownerAdded(before: readonly string[], after: readonly string[]): string | undefined {
  const count = (slots: readonly string[], owner: string): number =>
    slots.filter((slot) => slot === owner).length;
  const added = [...new Set(after)].filter((slot) => count(after, slot) > count(before, slot));
  const [owner] = added;
  return added.length === 1 && owner?.startsWith(`${process.pid} `) === true ? owner : undefined;
}

function identityOf(path: string): string {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
}
