// The results of a run one by one: records out of frames that hold many, pairs out of records, groups out
// of rows. Leaving early ends the run, and that the work on the server.

import { RsyndError } from '../../shared/base/error.js';
import type { DataReply } from '../../shared/protocol/message.js';
import { RecordIterator } from '../channel/record-iterator.js';
import { RAW_SHAPE, type RecordDecoder, recordDecoder } from '../channel/record-shape.js';
import type { QueryRun } from './query-run.js';
import type { QuerySource } from './query-source.js';
import { type BytesDecoder, groupsOf, type SparseFields, sparseRecords } from './row-shape.js';

/** Records, whole or `sparse` where that names fields. */
export function records<R>(
  run: QueryRun,
  source: QuerySource<R>,
  sparse: SparseFields,
): AsyncIterator<unknown, undefined> {
  const shape = decoderOf(source, sparse);
  const decode = recordDecoder(shape, source.name);
  const decodeNext: RecordDecoder<unknown> = (bytes, start, end) => {
    const record = decode(bytes, start, end, run.returned + 1);
    run.returned++;
    return record;
  };
  const { cut } = shape;
  if (cut === undefined) return new RecordIterator(dataOf(run), decodeNext);
  return new RecordIterator(dataOf(run), decodeNext, (bytes, start, length) => {
    const cuts = cut(bytes, start, length);
    run.returned += cuts.length;
    return cuts;
  });
}

/** What a join needs: two files, what comes of the first, and whether partners may be missing. */
export interface PairSides {
  readonly own: QuerySource<unknown>;
  readonly partner: QuerySource<unknown>;
  readonly sparse: SparseFields;
  readonly isLeft: boolean;
}

/** Pairs `[own, partner]`. */
export async function* pairs(
  run: QueryRun,
  { own, partner, sparse, isLeft }: PairSides,
): AsyncGenerator<[unknown, unknown], undefined> {
  const decodeOwn = recordDecoder(decoderOf(own, sparse), own.name);
  const decodePartner = recordDecoder(partner.shape, partner.name);
  let first: Buffer | undefined;
  for await (const bytes of new RecordIterator(dataOf(run), RAW_SHAPE.decode)) {
    if (first === undefined) {
      first = bytes;
      continue;
    }
    const isAlone = bytes.length === 0;
    if (isAlone && !isLeft) throw halfPair(own.name);
    const number = run.returned + 1;
    const one = decodeOwn(first, 0, first.length, number);
    const other = isAlone ? undefined : decodePartner(bytes, 0, bytes.length, number);
    first = undefined;
    run.returned = number;
    yield [one, other];
  }
  if (first !== undefined) throw halfPair(own.name);
  return undefined;
}

/** Objects of groups. */
export async function* groups(
  run: QueryRun,
  { name }: QuerySource<unknown>,
  names: readonly string[],
): AsyncGenerator<unknown, undefined> {
  for await (const frame of run) {
    if (frame.verb !== 'rows') continue; // a run of groups brings nothing else
    for (const group of groupsOf(frame, names, name)) {
      run.returned++;
      yield group;
    }
  }
  return undefined;
}

/** Pairs or groups in a list at most. */
const BATCH_MAX = 256;

/** Lists of what comes one by one. What came before an error is given before it. */
export async function* batchesOf<R>(
  each: AsyncIterator<R, undefined>,
): AsyncGenerator<R[], undefined> {
  let batch: R[] = [];
  try {
    for await (const one of { [Symbol.asyncIterator]: () => each }) {
      batch.push(one);
      if (batch.length < BATCH_MAX) continue;
      const full = batch;
      batch = [];
      yield full;
    }
  } catch (error) {
    if (batch.length > 0) yield batch;
    throw error;
  }
  if (batch.length > 0) yield batch;
  return undefined;
}

const decoderOf = (source: QuerySource<unknown>, sparse: SparseFields): BytesDecoder =>
  sparse.operands.length === 0 ? source.shape : sparseRecords(source, sparse);

/** The data of a run; one of records brings nothing else. */
const dataOf = (run: QueryRun): AsyncIterator<DataReply, undefined> => ({
  async next() {
    const { done, value: frame } = await run.next();
    if (done === true || frame.verb !== 'data') return { done: true, value: undefined };
    return { done: false, value: frame };
  },
  async return() {
    await run.return();
    return { done: true, value: undefined };
  },
});

const halfPair = (file: string): RsyndError =>
  new RsyndError('ERR_PROTOCOL', 'half of a pair came of a join', { file });
