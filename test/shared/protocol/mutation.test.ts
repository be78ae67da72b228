// A million mutated messages and streams: whatever arrives, a decoder answers with a message or
// with ERR_PROTOCOL (ERR_BADDEF for a definition that contradicts itself), soon, and holds on to
// nothing. The seed is printed; MUTATION_SEED repeats a run.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { isRsyndError } from '../../../shared/base/error.js';
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
} from '../../../shared/protocol/codec.js';
import { bodyOf, FRAME_HEADER_BYTES, type FrameDirection } from '../../../shared/protocol/frame.js';
import { FrameReader } from '../../../shared/protocol/frame-reader.js';
import { FrameWriter } from '../../../shared/protocol/frame-writer.js';
import { PREAMBLE } from '../../../shared/protocol/version.js';
import { type Example, readExamples } from '../../fixture/protocol/examples.js';

const BODY_MUTATIONS = 800_000;
const STREAM_MUTATIONS = 200_000;
const HEAP_GROWTH_BYTES_MAX = 32 * 1024 * 1024;

const seed = Number(process.env.MUTATION_SEED ?? Date.now() % 0x7fff_ffff);
const EXAMPLES = readExamples();
/** Bytes that mean something to some decoder: enum ends, sign bits, MessagePack heads, text. */
const TELLING_BYTES = Buffer.from(
  '0001020304067f808190919fa0c0c1c4c7cacbcfd3d4d9dbdcdddedffeff',
  'hex',
);

/** xorshift32: small, and the same everywhere. */
function makeRandom(start: number): (below: number) => number {
  let state = start | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

type Random = (below: number) => number;

/**
 * One of: flip a bit, set a telling byte, cut, drop, repeat, splice in a piece of another example.
 */
function mutate(bytes: Buffer, random: Random): Buffer {
  const at = random(bytes.length + 1);
  const until = Math.min(bytes.length, at + random(9));
  const [head, middle, tail] = [
    bytes.subarray(0, at),
    bytes.subarray(at, until),
    bytes.subarray(until),
  ];
  switch (random(7)) {
    case 0:
      return setByte(bytes, at, (bytes[at] ?? 0) ^ (1 << random(8)));
    case 1:
      return setByte(bytes, at, TELLING_BYTES[random(TELLING_BYTES.length)] ?? 0);
    case 2:
      return head;
    case 3:
      return Buffer.concat([head, tail]);
    case 4:
      return Buffer.concat([head, middle, middle, tail]);
    case 5:
      return Buffer.concat([head, pieceOfAnother(random), tail]);
    default:
      return setByte(setByte(bytes, at, random(256)), random(bytes.length + 1), random(256));
  }
}

function setByte(bytes: Buffer, at: number, value: number): Buffer {
  const changed = Buffer.from(bytes);
  if (at < changed.length) changed[at] = value;
  return changed;
}

function pieceOfAnother(random: Random): Buffer {
  const { frame } = pick(EXAMPLES, random);
  const from = random(frame.length);
  return frame.subarray(from, from + random(24));
}

function pick<T>(list: readonly T[], random: Random): T {
  const item = list[random(list.length)];
  if (item === undefined) throw new TypeError('nothing to pick from');
  return item;
}

/** The message as it would be sent again; undefined when the decoder refused it, as it may. */
function recode(direction: FrameDirection, verb: number, body: Buffer): Buffer | undefined {
  const writer = new FrameWriter();
  try {
    if (direction === 'request') encodeRequest(writer, decodeRequest(verb, body), 1, 1);
    else encodeReply(writer, decodeReply(verb, body), 1, 1);
  } catch (error) {
    if (isRsyndError(error, 'ERR_PROTOCOL') || isRsyndError(error, 'ERR_BADDEF')) return undefined;
    throw error;
  }
  return Buffer.concat(writer.take());
}

/** A decoded message must encode to bytes that decode to the same message. */
function checkBody({ direction, frame }: Example, body: Buffer): boolean {
  const verb = frame[4] ?? 0;
  const once = recode(direction, verb, body);
  if (once === undefined) return false;
  const twice = recode(direction, verb, once.subarray(FRAME_HEADER_BYTES));
  if (twice?.equals(once)) return true;
  throw new Error(`${direction} ${verb}: ${once.toString('hex')} is not what it decodes to`);
}

/** Feeds a stream in random chunks; true when it was refused, and then for good. */
function feedStream(direction: FrameDirection, stream: Buffer, random: Random): boolean {
  const reader = new FrameReader({ direction, frameBytesMax: 64 * 1024 });
  try {
    for (let at = 0; at < stream.length; ) {
      const end = at + 1 + random(random(4) === 0 ? 3 : 200);
      reader.push(stream.subarray(at, end));
      at = end;
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        recode(direction, frame.verb, bodyOf(frame));
      }
      if (reader.heldBytes > 64 * 1024) throw new Error(`holds ${reader.heldBytes} bytes`);
    }
  } catch (error) {
    if (isRsyndError(error, 'ERR_PROTOCOL') && reader.state === 'failed') return true;
    throw error;
  }
  return false;
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed + process.memoryUsage().external;
}

/** The same input when it fails as when it was made, so that the report says all. */
function attempt<T>(input: () => string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new Error(`seed ${seed}, input ${input()}`, { cause: error });
  }
}

t.test(
  'a million mutations end in a message or in ERR_PROTOCOL',
  { timeout: 240_000 },
  async (t) => {
    const random = makeRandom(seed);
    const stackTraceLimit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    const before = heapBytes();
    let decoded = 0;
    for (let count = 0; count < BODY_MUTATIONS; count++) {
      const example = EXAMPLES[count % EXAMPLES.length] ?? pick(EXAMPLES, random);
      let body = mutate(example.frame.subarray(FRAME_HEADER_BYTES), random);
      while (random(3) === 0) body = mutate(body, random);
      if (
        attempt(
          () => body.toString('hex'),
          () => checkBody(example, body),
        )
      )
        decoded++;
    }
    let refused = 0;
    for (let count = 0; count < STREAM_MUTATIONS; count++) {
      const direction = count % 2 === 0 ? 'request' : 'reply';
      const frames = Array.from({ length: 1 + random(4) }, () => pick(EXAMPLES, random));
      const sent = frames.filter((example) => example.direction === direction);
      const stream = Buffer.concat([
        ...(direction === 'request' ? [PREAMBLE] : []),
        ...sent.map(({ frame }) => frame),
      ]);
      const mutated = mutate(stream, random);
      if (
        attempt(
          () => mutated.toString('hex'),
          () => feedStream(direction, mutated, random),
        )
      )
        refused++;
    }
    Error.stackTraceLimit = stackTraceLimit;
    const growth = heapBytes() - before;
    t.comment(
      `seed ${seed}: ${BODY_MUTATIONS} bodies (${decoded} were messages), ` +
        `${STREAM_MUTATIONS} streams (${refused} refused), heap ${growth} bytes more`,
    );
    t.ok(decoded > BODY_MUTATIONS / 20, 'many mutations are messages still');
    t.ok(decoded < BODY_MUTATIONS, 'and many are not');
    t.ok(refused > STREAM_MUTATIONS / 20, 'many streams are refused');
    t.ok(growth < HEAP_GROWTH_BYTES_MAX, `the heap has grown by ${growth} bytes`);
  },
);
