// Reads the text files definitions come in: XDL and repository schemas, small enough to be read whole.

import { readFile, stat } from 'node:fs/promises';
import { RsyndError } from '../../shared/base/error.js';
import { definitionFileBytesMax } from '../../shared/base/limits.js';
import { fileProblem } from './file-problem.js';

/** UTF-8, or latin1 when it is not. Throws ERR_FNF, ERR_PROTEC, ERR_IOFAIL, ERR_INVARG. */
export async function readDefinitionFile(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > definitionFileBytesMax) throw tooLarge(path, size);
    const bytes = await readFile(path);
    return decodeUtf8(bytes) ?? bytes.toString('latin1');
  } catch (error) {
    throw fileProblem(error, path);
  }
}

function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined; // the caller reads it as latin1, which is every sequence of bytes
  }
}

const tooLarge = (path: string, size: number): RsyndError =>
  new RsyndError(
    'ERR_INVARG',
    `${path} has ${size} bytes, definitions have at most ${definitionFileBytesMax}`,
    { file: path },
  );
