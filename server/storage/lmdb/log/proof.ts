// Proof that a log belongs to a file: a digest of pages of the checkpoint that no other file has. The root
// of the tables is written anew by each transaction, and the header has the identity of the file.

import { createHash } from 'node:crypto';
import type { DataFile } from '../data-file.js';
import { TABLE_HEADER } from '../format.js';
import { metaRoot, metaTransaction, treeRoot } from '../page-file.js';
import { walkTree } from '../tree-walk.js';
import type { Slot } from './format.js';

/** True when the file has the state of the slot, however many came after it. */
export const isStateOf = (data: DataFile, { meta, digest }: Slot): boolean =>
  digestOfState(data, meta)?.equals(digest) === true;

/** Digest of the state of a meta page as it is in the file; undefined when that has not this state. */
export function digestOfState(data: DataFile, meta: Buffer): Buffer | undefined {
  const { lastPage } = metaTransaction(meta, 0);
  const pages = { lastPage, page: (number: number) => data.page(number) };
  const root = metaRoot(meta);
  let header: number | undefined;
  let isSound = true;
  walkTree(pages, root, true, {
    damage() {
      isSound = false;
    },
    entry({ key, value, isSubtree }) {
      const name = key.toString('latin1').replace(/\0$/, '');
      if (isSubtree && name === TABLE_HEADER) header = treeRoot(value);
    },
  });
  if (!isSound || root === undefined || header === undefined) return undefined;
  return createHash('sha256').update(data.page(root)).update(data.page(header)).digest();
}
