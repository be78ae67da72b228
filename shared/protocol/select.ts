// Messages of a select: the question, groups as rows, and its end. Records themselves travel in `data`
// (stream.ts), those of a locking select each in a `record` (record.ts).
//
//   select   = [action, query, locking, onLocked, waitMs, credit]      query: see shared/select/wire-query.ts
//   rows     = [[[value, …], …]]                                       rows of values
//   value    = nil | boolean | number | text | ['n', digits] | ['x', hex]     bigint; bytes
//   selected = [records, scanned, budget|nil, resume|nil, plan|nil]    resume: hex; plan: a map
//
// All MessagePack. With a join each record in `data` is followed by its partner, both behind their lengths;
// a partner of length 0 is none.

import { RsyndError } from '../base/error.js';
import { streamCreditBytesMax } from '../base/limits.js';
import type { Scalar } from '../select/expression.js';
import { packQuery, unpackQuery } from '../select/wire-query.js';
import { unpackControl } from './control-message.js';
import type { RowsReply, SelectedReply, SelectRequest } from './message.js';
import { type MessageCodec, writeControl } from './message-codec.js';
import { packPlan, parsePlan } from './plan.js';
import { checkU32, checkU64 } from './unsigned.js';
import { REPLY_VERBS, REQUEST_VERBS } from './verb.js';
import { violation } from './violation.js';
import { BUDGET, numberOfWord, ON_LOCKED, SELECT_ACTION, wordOfNumber } from './wire-word.js';

const U8_MAX = 0xff;
const U32_MAX = 0xffff_ffff;
/** Tags of values that MessagePack as we use it has no type for. */
const TAG_BIGINT = 'n';
const TAG_BYTES = 'x';
const DIGITS = /^-?\d{1,40}$/;
const HEX = /^(?:[0-9a-f]{2})*$/;
/** What a row and a value of it are counted as, besides their text and bytes. */
const ROW_BYTES = 4;
const VALUE_BYTES = 8;

type Value = Scalar | null;

export const selectRequest: MessageCodec<SelectRequest> = {
  encode(writer, { action, query, locking, onLocked, waitMs, credit }) {
    checkU32('waitMs', waitMs);
    checkU32('credit', credit);
    writeControl(writer, REQUEST_VERBS.select, [
      numberOfWord(SELECT_ACTION, action),
      packQuery(query),
      locking,
      numberOfWord(ON_LOCKED, onLocked),
      waitMs,
      credit,
    ]);
  },
  decode(body) {
    const fields = unpackControl(body.message, body.rest());
    const action = fields.word(SELECT_ACTION);
    const query = unpackQuery(fields.any('query'));
    const locking = fields.flag('locking');
    const onLocked = fields.word(ON_LOCKED);
    const waitMs = fields.count('waitMs', U32_MAX);
    const credit = fields.count('credit', U32_MAX);
    fields.end();
    return { verb: 'select', action, query, locking, onLocked, waitMs, credit };
  },
};

export const rowsReply: MessageCodec<RowsReply> = {
  encode: (writer, { rows }) =>
    writeControl(writer, REPLY_VERBS.rows, [rows.map((row) => row.map(packValue))]),
  decode(body) {
    const fields = unpackControl(body.message, body.rest());
    const rows = fields.any('rows');
    fields.end();
    return { verb: 'rows', rows: parseRows(rows, body.message) };
  },
};

export const selectedReply: MessageCodec<SelectedReply> = {
  encode(writer, { records, scanned, stopped, plan }) {
    checkU64('records', records);
    checkU64('scanned', scanned);
    writeControl(writer, REPLY_VERBS.selected, [
      records,
      scanned,
      stopped === undefined ? null : numberOfWord(BUDGET, stopped.budget),
      stopped === undefined ? null : toHex(stopped.resume),
      plan === undefined ? null : packPlan(plan),
    ]);
  },
  decode(body) {
    const { message } = body;
    const fields = unpackControl(message, body.rest());
    const records = fields.count('records', Number.MAX_SAFE_INTEGER);
    const scanned = fields.count('scanned', Number.MAX_SAFE_INTEGER);
    const budget = fields.optionalCount('budget', U8_MAX);
    const resume = fields.optionalText('resume');
    const plan = fields.any('plan');
    fields.end();
    if ((budget === undefined) !== (resume === undefined)) {
      throw violation(message, 'budget and resume go together');
    }
    return {
      verb: 'selected',
      records,
      scanned,
      ...(budget === undefined ? {} : { stopped: stoppedOf(budget, resume, message) }),
      ...(plan === undefined ? {} : { plan: parsePlan(plan, message) }),
    };
  },
};

/**
 * Credit that rows take, counted alike on both sides: 4 a row, 8 a value, and the characters of texts and
 * bytes of byte values.
 */
export function creditOfRows(rows: readonly (readonly Value[])[]): number {
  let bytes = 0;
  for (const row of rows) {
    bytes += ROW_BYTES;
    for (const value of row) {
      const isLong = typeof value === 'string' || value instanceof Uint8Array;
      bytes += VALUE_BYTES + (isLong ? value.length : 0);
    }
  }
  return Math.min(bytes, streamCreditBytesMax);
}

function stoppedOf(
  budget: number,
  resume: string | undefined,
  message: string,
): NonNullable<SelectedReply['stopped']> {
  const word = wordOfNumber(BUDGET, budget, message);
  return { budget: word, resume: fromHex(resume, 'resume', message) };
}

function packValue(value: Value): unknown {
  if (typeof value === 'bigint') return [TAG_BIGINT, value.toString()];
  if (value instanceof Uint8Array) return [TAG_BYTES, toHex(value)];
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new RsyndError('ERR_INVARG', `rows reply: ${value} is no value`);
  }
  return value;
}

function parseRows(rows: unknown, message: string): Value[][] {
  if (!Array.isArray(rows)) throw violation(message, 'rows are no array');
  return rows.map((row: unknown) => {
    if (!Array.isArray(row)) throw violation(message, 'a row is no array');
    return row.map((value: unknown) => parseValue(value, message));
  });
}

function parseValue(value: unknown, message: string): Value {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (!Array.isArray(value) || value.length !== 2) throw violation(message, 'a value is none');
  const [tag, text] = value as readonly unknown[];
  if (tag === TAG_BYTES) return fromHex(text, 'a value', message);
  if (tag !== TAG_BIGINT || typeof text !== 'string' || !DIGITS.test(text)) {
    throw violation(message, 'a value is no integer');
  }
  return BigInt(text);
}

const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');

function fromHex(text: unknown, field: string, message: string): Buffer {
  if (typeof text !== 'string' || !HEX.test(text)) throw violation(message, `${field} is no hex`);
  return Buffer.from(text, 'hex');
}
