// What a definition means for blocks and slots of its file; worked out once when a file is made or
// opened. Knows sizes only.

import { basename } from 'node:path';
import { blockPagesMax } from '../../../shared/base/limits.js';
import type { Duplicates, FileSpec } from '../../../shared/record/file-spec.js';
import {
  BLOCK_HEADER_BYTES,
  CRC_BYTES,
  PAGE_BYTES,
  PAGE_OVERHEAD_BYTES,
  SLOT_ENTRY_BYTES,
  SLOTS_MAX,
  STORED_INSERTION_BYTES,
} from './format.js';

export interface IndexLayout {
  readonly number: number;
  readonly dups: Duplicates;
  /** Which insertion number of a slot is this key's; meaningless for a unique key. */
  readonly ordinal: number;
}

export interface FileLayout {
  readonly path: string;
  /** For messages. */
  readonly name: string;
  readonly blockBytes: number;
  readonly indexes: readonly IndexLayout[];
  /** Keys with dups: insertion numbers in each slot. */
  readonly insertions: number;
  /** Bytes of a slot in front of its record. */
  readonly overheadBytes: number;
  /** The longest slot an empty block takes; longer records are kept in `large`. */
  readonly slotBytesMax: number;
}

/**
 * Pages of a block, the best first. Two: a scan steps to half as many blocks as with one, which costs it
 * a sixth less, and a store or an update, which rewrites a block, as much as before (measured with records
 * of 200 bytes). More cost reads that come from the disk. One: for records so small that their slots run out.
 */
const PAGES_IN_ORDER = [2, 3, 4, 1].filter((pages) => pages <= blockPagesMax);
/** A fixed record may waste so much of a block before another size is considered. */
const WASTE_MAX = 0.15;

export const insertionsPerSlot = (spec: FileSpec): number =>
  spec.keys.filter((key) => key.dups !== 'none').length;

const slotOverhead = (spec: FileSpec): number =>
  CRC_BYTES + insertionsPerSlot(spec) * STORED_INSERTION_BYTES;

const blockBytesOf = (pages: number): number => pages * PAGE_BYTES - PAGE_OVERHEAD_BYTES;

/** Bytes of a block for new files of this definition; kept in the header ever after. */
export function chooseBlockBytes(spec: FileSpec): number {
  if (spec.record.format !== 'fixed') return blockBytesOf(1);
  const entry = slotOverhead(spec) + spec.record.size + SLOT_ENTRY_BYTES;
  let best = { pages: 1, waste: 1 };
  for (const pages of PAGES_IN_ORDER) {
    const bytes = blockBytesOf(pages);
    const fitting = Math.min(SLOTS_MAX, Math.floor((bytes - BLOCK_HEADER_BYTES) / entry));
    const waste = 1 - (fitting * entry) / bytes;
    if (waste < best.waste) best = { pages, waste };
    if (waste <= WASTE_MAX) break;
  }
  return blockBytesOf(best.pages);
}

export function layoutOf(path: string, spec: FileSpec, blockBytes: number): FileLayout {
  let ordinal = 0;
  return {
    path,
    name: basename(path),
    blockBytes,
    indexes: spec.keys.map(({ dups }, number) => ({
      number,
      dups,
      ordinal: dups === 'none' ? -1 : ordinal++,
    })),
    insertions: insertionsPerSlot(spec),
    overheadBytes: slotOverhead(spec),
    slotBytesMax: blockBytes - BLOCK_HEADER_BYTES - SLOT_ENTRY_BYTES,
  };
}
