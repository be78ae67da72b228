// The name of one refused connection: short enough to read out over the telephone, and of characters that are
// not taken for each other. The same id stands in the server's log, in the client's error and in the file that
// `rsynctl explain` reads.

import { randomInt } from 'node:crypto';

/** Without 0 O 1 I L. */
const ALPHABET = '23456789ABCDEFGHJKMNPQRSTUVWXYZ';
const LENGTH = 8;

/** A new id; two alike among those kept are as good as impossible (31^8). */
export const newRefusalId = (): string =>
  Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');

/** The id as it is kept, as somebody typed it, with blanks, dashes or in lower case; undefined when it is none. */
export function parseRefusalId(text: string): string | undefined {
  const id = text.replace(/[\s-]/g, '').toUpperCase();
  const isOne = id.length === LENGTH && [...id].every((each) => ALPHABET.includes(each));
  return isOne ? id : undefined;
}
