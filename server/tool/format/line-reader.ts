// Cuts a stream of bytes into lines, holding no more than one line of the longest allowed size.

import type { ByteSource } from '../row.js';

/** A line without its end; `bytes` undefined when it was longer than allowed and was skipped. */
export interface Line {
  readonly line: number;
  readonly bytes: Buffer | undefined;
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Lines end with LF or CRLF; the last one may end with the input. */
export async function* readLines(input: ByteSource, bytesMax: number): AsyncGenerator<Line> {
  let line = 1;
  let parts: Buffer[] = [];
  let bytes = 0;
  const finish = (): Line => {
    // One more for the carriage return, which is not part of the line.
    const whole = bytes > bytesMax + 1 ? undefined : withoutReturn(Buffer.concat(parts));
    const fits = whole !== undefined && whole.length <= bytesMax;
    parts = [];
    bytes = 0;
    return { line: line++, bytes: fits ? whole : undefined };
  };
  for await (const chunk of input) {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = buffer.indexOf(LINE_FEED); end >= 0; end = buffer.indexOf(LINE_FEED, start)) {
      parts.push(buffer.subarray(start, end));
      bytes += end - start;
      start = end + 1;
      yield finish();
    }
    const rest = buffer.subarray(start);
    bytes += rest.length;
    // Too long is too long: what came before is not kept any more.
    if (bytes > bytesMax + 1) parts = [];
    else if (rest.length > 0) parts.push(Buffer.from(rest));
  }
  if (bytes > 0) yield finish();
}

const withoutReturn = (line: Buffer): Buffer =>
  line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
