// Turns what LMDB or the system throws into our errors, and words damage alike everywhere.

import { isRsyndError, RsyndError } from '../../../shared/base/error.js';
import type { FileLayout } from './layout.js';

/** A damaged part of a file: says where, and what to do. */
export function damaged(file: Pick<FileLayout, 'name'>, what: string, cause?: unknown): RsyndError {
  const why = `${file.name}: ${what}; \`isutl -v\` lists what is wrong, \`isutl -r\` rebuilds the file`;
  return new RsyndError('ERR_DAMAGED', why, { file: file.name, cause });
}

/** Codes of LMDB that speak of damaged pages: CORRUPTED, PAGE_NOTFOUND, INVALID, BAD_VALSIZE, BAD_TXN. */
const DAMAGE = new Set<unknown>([-30796, -30797, -30793, -30781, -30782]);
/** ENOSPC and EDQUOT, as lmdb-js and as node name them. */
const NO_SPACE: ReadonlySet<unknown> = new Set([28, 122, 'ENOSPC', 'EDQUOT']);

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

/** True for what lmdb-js throws with a code of LMDB or the system. */
export const isLmdbError = (error: unknown): boolean => typeof codeOf(error) === 'number';

/** True when LMDB met a damaged page. Nothing was written, and other pages may be sound. */
export const isPageDamage = (error: unknown): boolean => DAMAGE.has(codeOf(error));

/**
 * What a write transaction throws when LMDB misread its own list of free pages through a key it never
 * set: BAD_VALSIZE, NOTFOUND ("Invalid null txn id"), BAD_TXN ("Invalid dupdata flag").
 */
const FREE_LIST_FAULT = new Set<unknown>([-30781, -30798, -30782]);

export const isFreeListFault = (error: unknown): boolean => FREE_LIST_FAULT.has(codeOf(error));

/** An error of a read: ERR_DAMAGED or ERR_IOFAIL; ours and misuse stay what they are. */
export function readError(file: Pick<FileLayout, 'name'>, error: unknown): unknown {
  if (isRsyndError(error) || error instanceof TypeError) return error;
  if (isPageDamage(error)) {
    return damaged(file, 'a page of the file cannot be read', error);
  }
  const why = `${file.name} could not be read; see the cause`;
  return new RsyndError('ERR_IOFAIL', why, { file: file.name, cause: error });
}

/** An error of a transaction, after which the file takes no more writes. */
export function commitError(file: Pick<FileLayout, 'name'>, error: unknown): RsyndError {
  swallowCommitError(error);
  if (isRsyndError(error)) return error;
  const isFull = NO_SPACE.has(codeOf(error));
  const why = `${file.name} could not be written and takes no more writes until it is opened anew`;
  return new RsyndError(isFull ? 'ERR_NOSPAC' : 'ERR_IOFAIL', why, {
    file: file.name,
    cause: error,
    retryable: false,
  });
}

/**
 * A failed commit of lmdb-js may carry a second promise that rejects too; nobody waits for it, and
 * left alone it would end the process. Its reason is the one we report already.
 */
export function swallowCommitError(error: unknown): void {
  if (!(error instanceof Error) || !('commitError' in error)) return;
  const { commitError } = error;
  if (commitError instanceof Promise) commitError.catch(() => undefined);
}
