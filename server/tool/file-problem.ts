// Turns what the operating system says of a text file into an error of ours, naming the file.

import { RsyndError } from '../../shared/base/error.js';
import type { ErrorCode } from '../../shared/base/error-code.js';

const CODES: { readonly [code: string]: readonly [ErrorCode, string] } = {
  ENOENT: ['ERR_FNF', 'is not there'],
  ENOTDIR: ['ERR_FNF', 'is not there: a part of its path is a file'],
  EISDIR: ['ERR_FILSPC', 'is a directory'],
  EACCES: ['ERR_PROTEC', 'may not be opened by this user'],
  EPERM: ['ERR_PROTEC', 'may not be opened by this user'],
  EROFS: ['ERR_OUTRDO', 'is on a read-only file system'],
  ENOSPC: ['ERR_NOSPAC', 'finds no space on its disk'],
};

/** Errors of ours and of programming pass through. */
export function fileProblem(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return error;
  const [code, why] = CODES[String(error.code)] ?? ['ERR_IOFAIL', `failed: ${error.message}`];
  return new RsyndError(code, `${path} ${why}`, { file: path, cause: error });
}
