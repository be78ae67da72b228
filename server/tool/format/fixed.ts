// Fixed-width text: the bytes of a record are a line, or with `packed` follow each other without line ends.
// Nothing is converted, so this is the fastest format and the one that keeps every byte but line ends.

import { RsyndError } from '../../../shared/base/error.js';
import type { FileSpec, RecordSpec } from '../../../shared/record/file-spec.js';
import type { ByteSource, Row, RowReader, RowWriter } from '../row.js';
import { readLines } from './line-reader.js';
import { type NumberDoubts, numberDoubts } from './number-doubts.js';

const BLANK = 0x20;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const LINE_END = Buffer.from([LINE_FEED]);

/** Lines of a fixed record may be short: they are padded with blanks. */
export function fixedReader(spec: FileSpec): RowReader {
  const { record } = spec;
  const doubtOf = numberDoubts(spec);
  return async function* read(input) {
    for await (const { line, bytes } of readLines(input, record.size)) {
      if (bytes === undefined) {
        yield { line, error: badRow(`the line is longer than the record, ${record.size} bytes`) };
      } else if (bytes.length === 0) yield { line, error: badRow('the line is empty') };
      else {
        const whole = record.format === 'fixed' ? padded(bytes, record.size) : bytes;
        yield { line, record: whole, doubt: doubtOf(whole, bytes.length) };
      }
    }
  };
}

/** Records of one size without anything in between; `line` counts records. */
export function packedReader(spec: FileSpec): RowReader {
  refuseVariable(spec.record);
  const doubtOf = numberDoubts(spec);
  return (input) => readPacked(input, spec.record.size, doubtOf);
}

async function* readPacked(
  input: ByteSource,
  size: number,
  doubtOf: NumberDoubts,
): AsyncGenerator<Row> {
  let rest = Buffer.alloc(0);
  let line = 1;
  for await (const chunk of input) {
    const bytes = Buffer.concat([rest, chunk]);
    let start = 0;
    for (; start + size <= bytes.length; start += size) {
      const record = bytes.subarray(start, start + size);
      yield { line: line++, record, doubt: doubtOf(record, size) };
    }
    rest = bytes.subarray(start);
  }
  if (rest.length === 0) return;
  const why = `the input ends after ${rest.length} of the ${size} bytes of a record`;
  yield { line, error: badRow(why) };
}

export const fixedWriter = (): RowWriter => ({
  head: '',
  write(record) {
    if (record.includes(LINE_FEED) || record.at(-1) === CARRIAGE_RETURN) {
      throw badRow('the record holds a line end; unload with --format jsonl or --packed');
    }
    return Buffer.concat([record, LINE_END]);
  },
});

export function packedWriter(record: RecordSpec): RowWriter {
  refuseVariable(record);
  return { head: '', write: (bytes) => bytes };
}

function refuseVariable({ format }: RecordSpec): void {
  if (format === 'fixed') return;
  const why = `--packed needs records of one size, these are ${format}; leave it away or use jsonl`;
  throw new RsyndError('ERR_INVARG', why);
}

function padded(bytes: Buffer, size: number): Buffer {
  if (bytes.length === size) return bytes;
  const record = Buffer.alloc(size, BLANK);
  record.set(bytes);
  return record;
}

const badRow = (why: string): RsyndError => new RsyndError('ERR_BADDATA', why);
