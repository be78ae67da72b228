// Messages of streams: a scan, the credit that keeps it going, and its end.
//
//   scan    = order:u8 direction:u8 credit:u32   order: key number, 255 for the order of the data
//   credit  = bytes:u32                          with the request id of its scan
//   cancel  = nothing                            with the request id of what it ends
//
//   data    = recordLength:u32 records:*         recordLength > 0: records are a multiple of it
//                                                else records = (length:u32 record:length)*
//   end     = records:u64
//
// Numbers are big-endian; `*` is everything up to the end of the body.

import { FRAME_HEADER_BYTES } from './frame.js';
import type { CancelRequest, CreditRequest, DataReply, EndReply, ScanRequest } from './message.js';
import { emptyCodec, type MessageCodec } from './message-codec.js';
import { checkKeyNumber } from './read-target.js';
import { checkU32, checkU64 } from './unsigned.js';
import { REPLY_VERBS, REQUEST_VERBS } from './verb.js';
import { violation } from './violation.js';
import { DIRECTION, numberOfWord } from './wire-word.js';

/** Where a key number stands: the order of the data. No key has it, keys end at 254. */
const STORED_ORDER = 255;

/** What stands before the records in the frame of a data reply. */
export const DATA_ROOM_BYTES = FRAME_HEADER_BYTES + 4;
/** Smaller frames are copied: several of them then leave as one piece. */
const IN_PLACE_BYTES_MIN = 16 * 1024;

export const scanRequest: MessageCodec<ScanRequest> = {
  encode(writer, { order, direction, credit }) {
    if (order !== 'stored') checkKeyNumber(order);
    const directionNumber = numberOfWord(DIRECTION, direction);
    checkU32('credit', credit);
    writer.begin(REQUEST_VERBS.scan, 1 + 1 + 4);
    writer.u8(order === 'stored' ? STORED_ORDER : order);
    writer.u8(directionNumber);
    writer.u32(credit);
  },
  decode(body) {
    const order = body.u8('order');
    const direction = body.word(DIRECTION);
    const credit = body.u32('credit');
    return { verb: 'scan', order: order === STORED_ORDER ? 'stored' : order, direction, credit };
  },
};

export const creditRequest: MessageCodec<CreditRequest> = {
  encode(writer, { bytes }) {
    checkU32('bytes', bytes);
    writer.begin(REQUEST_VERBS.credit, 4);
    writer.u32(bytes);
  },
  decode: (body) => ({ verb: 'credit', bytes: body.u32('bytes') }),
};

export const cancelRequest = emptyCodec<CancelRequest>(REQUEST_VERBS.cancel, { verb: 'cancel' });

export const dataReply: MessageCodec<DataReply> = {
  encode(writer, { recordLength, records, roomy }) {
    checkU32('recordLength', recordLength);
    if (roomy !== undefined && roomy.length >= IN_PLACE_BYTES_MIN) {
      roomy.writeUInt32BE(recordLength, FRAME_HEADER_BYTES);
      writer.enclose(REPLY_VERBS.data, roomy);
      return;
    }
    writer.begin(REPLY_VERBS.data, 4 + records.length);
    writer.u32(recordLength);
    writer.attach(records);
  },
  decode(body) {
    const recordLength = body.u32('recordLength');
    const records = body.rest();
    const fault = faultOfRecords(recordLength, records);
    if (fault !== undefined) throw violation(body.message, fault);
    return { verb: 'data', recordLength, records };
  },
};

export const endReply: MessageCodec<EndReply> = {
  encode(writer, { records }) {
    checkU64('records', records);
    writer.begin(REPLY_VERBS.end, 8);
    writer.u64(records);
  },
  decode: (body) => ({ verb: 'end', records: body.u64('records') }),
};

/** What is wrong with the records of a data frame, so that whoever slices them need not look. */
function faultOfRecords(recordLength: number, records: Buffer): string | undefined {
  if (recordLength > 0) {
    const over = records.length % recordLength;
    return over === 0 ? undefined : `${over} bytes behind the last record of ${recordLength}`;
  }
  let position = 0;
  while (position + 4 <= records.length) position += 4 + records.readUInt32BE(position);
  return position === records.length ? undefined : 'ends within a record';
}
