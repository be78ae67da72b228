// Text on its way to a stream: who writes waits until it has left, so that a slow reader holds up the work
// instead of filling memory.

import type { Writable } from 'node:stream';
import { RsyndError } from '../base/error.js';
import type { TextSink } from './query-output.js';

/** A stream like process.stdout. */
export type TextStream = Pick<Writable, 'write'> & {
  readonly isTTY?: boolean;
  readonly columns?: number;
};

/** `write` rejects with ERR_IOFAIL when nobody reads any more, as behind `| head`. */
export const sinkOf = (stream: TextStream): TextSink => ({
  lineChars: stream.isTTY === true ? stream.columns : undefined,
  write: (text) =>
    new Promise((resolve, reject) => {
      stream.write(text, (cause) => {
        if (cause === null || cause === undefined) resolve();
        else
          reject(new RsyndError('ERR_IOFAIL', 'the output was closed before its end', { cause }));
      });
    }),
});
