// Reads small files that are read again while the server runs: by then a name may be a directory, a pipe that
// nobody writes into, or a device without end. None of them may stop the process, which waits in a plain read.

import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** What is there is not what can be read whole; the message follows the name of the file. */
export class NoPlainFile extends Error {}

/**
 * The bytes of a plain file, links followed.
 * @throws NoPlainFile: something else, or larger than `bytesMax`; errors of the system as they are.
 */
export function readPlainFile(path: string, bytesMax: number): Buffer {
  // Without O_NONBLOCK the open itself waits for the other end of a pipe.
  const handle = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = fstatSync(handle);
    // What reading a directory says, EISDIR, is plain enough.
    if (!facts.isFile() && !facts.isDirectory()) throw new NoPlainFile('is no plain file');
    if (facts.size > bytesMax) {
      throw new NoPlainFile(`has ${facts.size} bytes, at most ${bytesMax} are read`);
    }
    return readFileSync(handle);
  } finally {
    closeSync(handle);
  }
}
