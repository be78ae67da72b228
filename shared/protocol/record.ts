// Messages about single records: the hot ones. Fixed fields, then bytes as they are.
//
//   read, find   = lock:u8 waitMs:u32 target                 target: see read-target.ts
//   reads        = direction:u8 lock:u8 waitMs:u32
//   get          = key:u8 value:*
//   store        = lock:u8 record:*
//   storeMany    = (length:u32 record:length)*
//   write        = addressLength:u8 address:addressLength record:*      addressLength: 0, 6 or 10
//   delete       = nothing
//   unlock       = address | nothing
//
//   record       = rfa(6) crc:u32 locked:u8 record:*
//   stored       = rfa(6) crc:u32 locked:u8
//   storedMany   = stored:u32 error?                         error: the body of an error reply
//   absent       = nothing
//
// Numbers are big-endian; `*` is everything up to the end of the body; words: see wire-word.ts.

import { RsyndError } from '../base/error.js';
import { recordsPerFrameMax } from '../base/limits.js';
import { RFA_BYTES, type Rfa } from '../record/rfa.js';
import type { BodyReader } from './body-reader.js';
import { packError, readError } from './error.js';
import type { FrameWriter } from './frame-writer.js';
import type {
  AbsentReply,
  DeleteRequest,
  FindRequest,
  GetRequest,
  ReadRequest,
  ReadsRequest,
  RecordReply,
  StoredManyReply,
  StoredReply,
  StoreManyRequest,
  StoreRequest,
  UnlockRequest,
  WriteRequest,
} from './message.js';
import { emptyCodec, type MessageCodec } from './message-codec.js';
import {
  checkAddress,
  checkKeyNumber,
  isAddressLength,
  measureTarget,
  readAddress,
  readKeyNumber,
  readTarget,
  writeTarget,
} from './read-target.js';
import { checkU32 } from './unsigned.js';
import { REPLY_VERBS, REQUEST_VERBS } from './verb.js';
import { violation } from './violation.js';
import { DIRECTION, numberOfWord, READ_LOCK, STORE_LOCK } from './wire-word.js';

const LOCK_AND_WAIT_BYTES = 1 + 4;
/** RFA, CRC and lock byte. */
const STORED_BYTES = RFA_BYTES + 4 + 1;

export const readRequest: MessageCodec<ReadRequest> = {
  encode: (writer, request) => writePosition(writer, REQUEST_VERBS.read, request),
  decode: (body) => ({ verb: 'read', ...readPosition(body) }),
};

export const findRequest: MessageCodec<FindRequest> = {
  encode: (writer, request) => writePosition(writer, REQUEST_VERBS.find, request),
  decode: (body) => ({ verb: 'find', ...readPosition(body) }),
};

export const readsRequest: MessageCodec<ReadsRequest> = {
  encode(writer, { direction, lock, waitMs }) {
    const directionNumber = numberOfWord(DIRECTION, direction);
    const lockNumber = numberOfWord(READ_LOCK, lock);
    checkU32('waitMs', waitMs);
    writer.begin(REQUEST_VERBS.reads, 1 + LOCK_AND_WAIT_BYTES);
    writer.u8(directionNumber);
    writer.u8(lockNumber);
    writer.u32(waitMs);
  },
  decode(body) {
    const direction = body.word(DIRECTION);
    const lock = body.word(READ_LOCK);
    return { verb: 'reads', direction, lock, waitMs: body.u32('waitMs') };
  },
};

export const getRequest: MessageCodec<GetRequest> = {
  encode(writer, { key, value }) {
    checkKeyNumber(key);
    writer.begin(REQUEST_VERBS.get, 1 + value.length);
    writer.u8(key);
    writer.bytes(value);
  },
  decode(body) {
    const key = readKeyNumber(body);
    return { verb: 'get', key, value: body.rest() };
  },
};

export const storeRequest: MessageCodec<StoreRequest> = {
  encode(writer, { lock, record }) {
    const lockNumber = numberOfWord(STORE_LOCK, lock);
    writer.begin(REQUEST_VERBS.store, 1 + record.length);
    writer.u8(lockNumber);
    writer.bytes(record);
  },
  decode(body) {
    const lock = body.word(STORE_LOCK);
    return { verb: 'store', record: body.rest(), lock };
  },
};

export const storeManyRequest: MessageCodec<StoreManyRequest> = {
  encode(writer, { records }) {
    if (records.length > recordsPerFrameMax) {
      throw new RsyndError('ERR_INVARG', `storeMany takes ${recordsPerFrameMax} records at once`);
    }
    const bodyBytes = records.reduce((sum, record) => sum + 4 + record.length, 0);
    writer.begin(REQUEST_VERBS.storeMany, bodyBytes);
    for (const record of records) {
      writer.u32(record.length);
      writer.bytes(record);
    }
  },
  decode(body) {
    const records: Buffer[] = [];
    while (body.left > 0) {
      if (records.length === recordsPerFrameMax) {
        throw violation(body.message, `more than ${recordsPerFrameMax} records`);
      }
      records.push(body.take(body.u32('length'), 'record'));
    }
    return { verb: 'storeMany', records };
  },
};

export const writeRequest: MessageCodec<WriteRequest> = {
  encode(writer, { address, record }) {
    if (address !== undefined) checkAddress(address);
    const addressLength = address?.length ?? 0;
    writer.begin(REQUEST_VERBS.write, 1 + addressLength + record.length);
    writer.u8(addressLength);
    if (address !== undefined) writer.bytes(address);
    writer.bytes(record);
  },
  decode(body) {
    const addressLength = body.u8('addressLength');
    if (addressLength === 0) return { verb: 'write', record: body.rest() };
    if (!isAddressLength(addressLength)) {
      throw violation(body.message, `addressLength is ${addressLength}, not 0, 6 or 10`);
    }
    const address = body.take(addressLength, 'address');
    return { verb: 'write', record: body.rest(), address };
  },
};

export const deleteRequest = emptyCodec<DeleteRequest>(REQUEST_VERBS.delete, { verb: 'delete' });

export const unlockRequest: MessageCodec<UnlockRequest> = {
  encode(writer, { rfa }) {
    if (rfa !== undefined) checkAddress(rfa);
    writer.begin(REQUEST_VERBS.unlock, rfa?.length ?? 0);
    if (rfa !== undefined) writer.bytes(rfa);
  },
  decode: (body) =>
    body.left === 0 ? { verb: 'unlock' } : { verb: 'unlock', rfa: readAddress(body) },
};

export const recordReply: MessageCodec<RecordReply> = {
  encode(writer, { rfa, crc, locked, record }) {
    writer.begin(REPLY_VERBS.record, STORED_BYTES + record.length);
    writer.bytes(rfa);
    writer.u32(crc);
    writer.u8(locked ? 1 : 0);
    writer.attach(record);
  },
  decode(body) {
    const { rfa, crc, locked } = readStored(body);
    return { verb: 'record', rfa, crc, locked, record: body.rest() };
  },
};

export const storedReply: MessageCodec<StoredReply> = {
  encode(writer, { rfa, crc, locked }) {
    writer.begin(REPLY_VERBS.stored, STORED_BYTES);
    writer.bytes(rfa);
    writer.u32(crc);
    writer.u8(locked ? 1 : 0);
  },
  decode(body) {
    const { rfa, crc, locked } = readStored(body);
    return { verb: 'stored', rfa, crc, locked };
  },
};

export const storedManyReply: MessageCodec<StoredManyReply> = {
  encode(writer, { stored, error }) {
    checkU32('stored', stored);
    const packed = error === undefined ? undefined : packError(error);
    writer.begin(REPLY_VERBS.storedMany, 4 + (packed?.length ?? 0));
    writer.u32(stored);
    if (packed !== undefined) writer.bytes(packed);
  },
  decode(body) {
    const stored = body.u32('stored');
    if (body.left === 0) return { verb: 'storedMany', stored };
    return { verb: 'storedMany', stored, error: readError(body) };
  },
};

export const absentReply = emptyCodec<AbsentReply>(REPLY_VERBS.absent, { verb: 'absent' });

function readStored(body: BodyReader): { rfa: Rfa; crc: number; locked: boolean } {
  const rfa = body.take(RFA_BYTES, 'rfa');
  const crc = body.u32('crc');
  return { rfa, crc, locked: body.flag('locked') };
}

/** What read and find have in common. */
type Position = Pick<ReadRequest, 'target' | 'lock' | 'waitMs'>;

function writePosition(writer: FrameWriter, verb: number, position: Position): void {
  const lockNumber = numberOfWord(READ_LOCK, position.lock);
  checkU32('waitMs', position.waitMs);
  writer.begin(verb, LOCK_AND_WAIT_BYTES + measureTarget(position.target));
  writer.u8(lockNumber);
  writer.u32(position.waitMs);
  writeTarget(writer, position.target);
}

function readPosition(body: BodyReader): Position {
  const lock = body.word(READ_LOCK);
  const waitMs = body.u32('waitMs');
  return { target: readTarget(body), lock, waitMs };
}
