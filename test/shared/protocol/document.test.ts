// PROTOCOL.md is what other clients are written from, so whatever it states is compared with the
// program: every hex example, and every row of the tables of verbs, words, limits and errors.

import { readFileSync } from 'node:fs';
import t from 'tap';
import { ERROR_CODES } from '../../../shared/base/error-code.js';
import * as limits from '../../../shared/base/limits.js';
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
} from '../../../shared/protocol/codec.js';
import { FrameReader } from '../../../shared/protocol/frame-reader.js';
import { FrameWriter } from '../../../shared/protocol/frame-writer.js';
import { REPLY_VERBS, REQUEST_VERBS } from '../../../shared/protocol/verb.js';
import { PREAMBLE, PROTOCOL_VERSION } from '../../../shared/protocol/version.js';
import {
  BUDGET,
  CHANNEL_LOCK,
  DIRECTION,
  MATCH,
  ON_LOCKED,
  OPEN_MODE,
  READ_LOCK,
  SELECT_ACTION,
  SHARE_MODE,
  STORE_LOCK,
  TARGET,
} from '../../../shared/protocol/wire-word.js';
import { readExamples } from '../../fixture/protocol/examples.js';

const LINES = readFileSync('PROTOCOL.md', 'utf8').split('\n');

/** The bytes of a fenced block: hex pairs up to two blanks, then words about them. */
const bytesOfBlock = (block: readonly string[]): Buffer =>
  Buffer.from(block.map((line) => line.split('  ')[0]?.replaceAll(' ', '')).join(''), 'hex');

/** Fenced blocks by what stands behind their opening fence. */
function readBlocks(): Map<string, string[]> {
  const blocks = new Map<string, string[]>();
  let open: string[] | undefined;
  for (const line of LINES) {
    if (!line.startsWith('```')) open?.push(line);
    else if (open !== undefined) open = undefined;
    else {
      open = [];
      blocks.set(line.slice(3), open);
    }
  }
  return blocks;
}

/** Rows of the tables whose header row is `header`, cells trimmed. */
function rowsOf(header: string): string[][] {
  const rows: string[][] = [];
  for (let at = LINES.indexOf(header); at >= 0; at = LINES.indexOf(header, at)) {
    for (at += 2; LINES[at]?.startsWith('|'); at++) {
      rows.push(
        (LINES[at] ?? '')
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    }
  }
  if (rows.length === 0) throw new Error(`no table with the header ${header}`);
  return rows;
}

t.test('the title and the preamble are those of this version', async (t) => {
  t.equal(LINES[0], `# The rsynd protocol, version ${PROTOCOL_VERSION}`);
  t.same(bytesOfBlock(readBlocks().get('preamble') ?? []), PREAMBLE);
});

t.test('every hex example is a frame that the codecs read and write so', async (t) => {
  const examples = new Map(
    readExamples().map((each) => [
      `hex ${each.direction} ${each.message.verb}: ${each.title}`,
      each,
    ]),
  );
  const blocks = [...readBlocks()].filter(([info]) => info.startsWith('hex '));
  t.strictSame(blocks.map(([info]) => info).sort(), [...examples.keys()].sort());
  for (const [info, block] of blocks) {
    const direction = info.startsWith('hex request') ? 'request' : 'reply';
    const bytes = bytesOfBlock(block);
    const reader = new FrameReader({ direction, frameBytesMax: limits.frameBytesMax });
    reader.push(direction === 'request' ? Buffer.concat([PREAMBLE, bytes]) : bytes);
    const frame = reader.next();
    if (frame === undefined) {
      t.fail(`${info}: no whole frame`);
      continue;
    }
    const writer = new FrameWriter();
    if (direction === 'request') {
      const message = decodeRequest(frame.verb, frame.bytes, frame);
      t.strictSame(message, examples.get(info)?.message, info);
      encodeRequest(writer, message, frame.channel, frame.request);
    } else {
      const message = decodeReply(frame.verb, frame.bytes, frame);
      t.strictSame(message, examples.get(info)?.message, info);
      encodeReply(writer, message, frame.channel, frame.request);
    }
    t.equal(Buffer.concat(writer.take()).toString('hex'), bytes.toString('hex'), info);
    t.match(block[0], new RegExp(`length ${bytes.length - 4}, .*request ${frame.request}$`), info);
  }
});

t.test('the tables of verbs hold every verb and its number', async (t) => {
  const numbersOf = (header: string): Record<string, number> =>
    Object.fromEntries(rowsOf(header).map(([number, verb]) => [verb, Number(number)]));
  t.strictSame(numbersOf('| number | verb | body | answered by |'), { ...REQUEST_VERBS });
  t.strictSame(numbersOf('| number | verb | body |'), { ...REPLY_VERBS });
});

t.test('the table of words holds every word and its number', async (t) => {
  const sets = {
    mode: OPEN_MODE,
    share: SHARE_MODE,
    'lock (of a channel)': CHANNEL_LOCK,
    'lock (of a read)': READ_LOCK,
    'lock (of a store)': STORE_LOCK,
    match: MATCH,
    direction: DIRECTION,
    target: TARGET,
    action: SELECT_ACTION,
    onLocked: ON_LOCKED,
    budget: BUDGET,
  };
  const wanted = Object.entries(sets).flatMap(([field, { numbers }]) =>
    Object.entries(numbers).map(([word, number]) => `${field} ${word} ${number}`),
  );
  const rows = rowsOf('| field | word | number | meaning |');
  t.strictSame(
    rows.map(([field, word, number]) => `${field} ${word} ${number}`),
    wanted,
  );
});

t.test('every limit in the table is the one in force', async (t) => {
  const inForce: Readonly<Record<string, unknown>> = { ...limits };
  const rows = rowsOf('| limit | value | meaning |');
  t.ok(rows.length > 20);
  for (const [name = '', value] of rows) t.equal(Number(value), inForce[name], name);
});

t.test('the table of errors holds every code, number and text', async (t) => {
  const wanted = Object.entries(ERROR_CODES)
    .map(([code, { errno, text, retryable, meaning }]) => ({
      errno,
      code,
      text,
      retryable,
      meaning,
    }))
    .sort((one, other) => one.errno - other.errno);
  const rows = rowsOf('| errno | code | text | retryable | when |').map(
    ([errno, code, text, retryable, meaning]) => ({
      errno: Number(errno),
      code,
      text,
      retryable: retryable === 'yes',
      meaning,
    }),
  );
  t.strictSame(rows, wanted);
});
