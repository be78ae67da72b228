// Frames cut from bytes however they arrive, and bytes made of frames without needless copies.

import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { frameBeforeLoginBytesMax, frameBytesMax } from '../../../shared/base/limits.js';
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
} from '../../../shared/protocol/codec.js';
import {
  bodyOf,
  FRAME_HEADER_BYTES,
  type Frame,
  type FrameDirection,
} from '../../../shared/protocol/frame.js';
import { FrameReader } from '../../../shared/protocol/frame-reader.js';
import { FrameWriter } from '../../../shared/protocol/frame-writer.js';
import { DATA_ROOM_BYTES } from '../../../shared/protocol/stream.js';
import { PREAMBLE } from '../../../shared/protocol/version.js';
import { readExamples } from '../../fixture/protocol/examples.js';

const EXAMPLES = readExamples();

const streamOf = (direction: FrameDirection): Buffer =>
  Buffer.concat([
    ...(direction === 'request' ? [PREAMBLE] : []),
    ...EXAMPLES.filter((example) => example.direction === direction).map(({ frame }) => frame),
  ]);

const makeReader = (direction: FrameDirection, max = frameBytesMax): FrameReader =>
  new FrameReader({ direction, frameBytesMax: max });

function readAll(reader: FrameReader, chunks: Iterable<Buffer>): Frame[] {
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
  }
  return frames;
}

const bytesOf = (frames: readonly Frame[]): Buffer =>
  Buffer.concat(
    frames.flatMap((frame) => {
      const { verb, channel, request } = frame;
      const body = bodyOf(frame);
      const header = Buffer.alloc(FRAME_HEADER_BYTES);
      header.writeUInt32BE(8 + body.length, 0);
      header.writeUInt8(verb, 4);
      header.writeUInt16BE(channel, 6);
      header.writeUInt32BE(request, 8);
      return [header, body];
    }),
  );

t.test('frames are the same whole, byte by byte and cut in two at every offset', async (t) => {
  for (const direction of ['request', 'reply'] as const) {
    const stream = streamOf(direction);
    const expected = direction === 'request' ? stream.subarray(PREAMBLE.length) : stream;
    const whole = makeReader(direction);
    t.same(bytesOf(readAll(whole, [stream])), expected, 'whole');
    t.equal(whole.state, 'length');
    t.equal(whole.isMidFrame, false);
    const bytes = Array.from(stream, (_, index) => stream.subarray(index, index + 1));
    t.same(bytesOf(readAll(makeReader(direction), bytes)), expected, 'byte by byte');
    for (let at = 0; at <= stream.length; at++) {
      const halves = [stream.subarray(0, at), stream.subarray(at)];
      const frames = bytesOf(readAll(makeReader(direction), halves));
      if (!frames.equals(expected)) t.fail(`cut at ${at}`);
    }
  }
});

/** A connection whose bytes come in a buffer that others share, and are written over when they were taken. */
class Borrower {
  readonly messages: unknown[] = [];
  readonly #direction: FrameDirection;
  readonly #reader: FrameReader;
  readonly #framesAtOnce: number;

  constructor(direction: FrameDirection, framesAtOnce: number) {
    this.#direction = direction;
    this.#reader = makeReader(direction);
    this.#framesAtOnce = framesAtOnce;
  }

  take(shared: Buffer, piece: Buffer): void {
    piece.copy(shared);
    this.#reader.lend(shared, piece.length);
    this.#pull(this.#framesAtOnce);
    this.#reader.keep();
    shared.fill(0xff);
    this.#pull(Number.POSITIVE_INFINITY);
  }

  #pull(framesMax: number): void {
    for (let count = 0; count < framesMax; count++) {
      const frame = this.#reader.next();
      if (frame === undefined) return;
      this.messages.push(decodeFrame(this.#direction, frame));
    }
  }
}

const decodeFrame = (direction: FrameDirection, frame: Frame) =>
  direction === 'request'
    ? decodeRequest(frame.verb, frame.bytes, frame)
    : decodeReply(frame.verb, frame.bytes, frame);

t.test(
  'of lent bytes nothing stays behind, wherever the frames of two connections are cut',
  async (t) => {
    for (const direction of ['request', 'reply'] as const) {
      const stream = streamOf(direction);
      const shared = Buffer.alloc(stream.length);
      const expected = readAll(makeReader(direction), [stream]).map((frame) =>
        decodeFrame(direction, frame),
      );
      for (let at = 0; at <= stream.length; at++) {
        const pair = [new Borrower(direction, 1), new Borrower(direction, 1 + (at % 5))];
        const cuts = [at, stream.length - at];
        for (const [index, each] of pair.entries())
          each.take(shared, stream.subarray(0, cuts[index]));
        for (const [index, each] of pair.entries()) each.take(shared, stream.subarray(cuts[index]));
        for (const { messages } of pair) {
          if (!isDeepStrictEqual(messages, expected)) t.fail(`cut at ${at}`);
        }
      }
      t.ok(expected.length > 10);
    }
  },
);

t.test('long bodies are lent in pieces of any size', async (t) => {
  const long = new FrameWriter();
  const data = Buffer.from(Uint8Array.from({ length: 5000 }, (_, index) => index % 251));
  encodeReply(long, { verb: 'data', recordLength: 100, records: data }, 1, 1);
  const stream = Buffer.concat([streamOf('reply'), ...long.take(), streamOf('reply')]);
  const whole = readAll(makeReader('reply'), [stream]).map((frame) => decodeFrame('reply', frame));
  for (const size of [1, 7, 64, 1000, 2000, 9000]) {
    const shared = Buffer.alloc(size);
    const borrower = new Borrower('reply', 3);
    for (let at = 0; at < stream.length; at += size) {
      borrower.take(shared, stream.subarray(at, at + size));
    }
    t.strictSame(borrower.messages, whole, `${size} bytes at a time`);
  }
});

t.test('a body inside one chunk is a view of it, one that spans chunks is not', async (t) => {
  const frame = Buffer.from('0000000f230000010000001200433030303432', 'hex');
  const chunk = Buffer.concat([PREAMBLE, frame, frame]);
  const reader = makeReader('request');
  const [, second] = readAll(reader, [chunk]);
  chunk.write('Z', chunk.length - 1);
  t.equal(second && bodyOf(second).toString('latin1', 6), 'Z', 'no copy was made');
  const [spanning] = readAll(reader, [frame.subarray(0, 15), frame.subarray(15)]);
  t.equal(spanning && bodyOf(spanning).toString('latin1', 1), 'C00042');
});

t.test('a frame that is only claimed holds memory by what came of it', async (t) => {
  const reader = makeReader('reply');
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(frameBytesMax, 0);
  header.writeUInt8(0xb0, 4);
  reader.push(header);
  t.equal(reader.next(), undefined);
  t.equal(reader.heldBytes, 0, 'nothing for a header');
  reader.push(Buffer.alloc(4));
  t.equal(reader.next(), undefined);
  t.equal(reader.heldBytes, 4096, 'a page for four bytes');
  let arrived = 4;
  let held = reader.heldBytes;
  let growths = 0;
  while (arrived < frameBytesMax - 8) {
    const chunk = Buffer.alloc(Math.min(1000, frameBytesMax - 8 - arrived), 1);
    arrived += chunk.length;
    reader.push(chunk);
    const frame = reader.next();
    if (frame !== undefined) t.equal(bodyOf(frame).length, frameBytesMax - 8);
    else if (reader.heldBytes > Math.max(4096, 8 * arrived)) t.fail(`holds ${reader.heldBytes}`);
    if (reader.heldBytes > held) growths++;
    held = reader.heldBytes;
  }
  t.equal(held, 0, 'nothing is held behind a whole frame');
  t.ok(growths <= 4, `${growths} growths, not one per chunk`);
});

/** Streams that must be refused, and what the message must say. */
const BAD_STREAMS: readonly (readonly [FrameDirection, string, RegExp])[] = [
  ['request', '47', /preamble: the first bytes are not those of this protocol/],
  ['request', '5253594e0d0a1a0d', /preamble/],
  ['reply', '00000007', /length 7 is below the least, 8/],
  ['reply', '00000000', /length 0/],
  ['reply', '00201000', /length 2101248 is above the 2097152 allowed now/],
  ['reply', 'ffffffff', /length 4294967295/],
  ['reply', '000000080100000000000000', /verb 0x01 is no reply/],
  ['reply', '000000089100800000000001'.replace('9100', '9180'), /flags are 128, they must be 0/],
  ['request', '5253594e0d0a1a0a000000088100000000000000', /verb 0x81 is no request/],
  ['request', '5253594e0d0a1a0a000000080000000000000000', /verb 0x00 is no request/],
];

t.test('bytes that are no frame are refused, and stay refused', async (t) => {
  for (const [direction, hex, pattern] of BAD_STREAMS) {
    const bytes = Buffer.from(hex, 'hex');
    const whole = makeReader(direction);
    t.throws(() => readAll(whole, [bytes]), { code: 'ERR_PROTOCOL', message: pattern }, hex);
    t.equal(whole.state, 'failed');
    t.throws(() => readAll(whole, [PREAMBLE]), { code: 'ERR_PROTOCOL', message: pattern }, 'again');
    const slow = makeReader(direction);
    const single = Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
    t.throws(() => readAll(slow, single), { message: pattern }, 'byte by byte');
  }
});

t.test(
  'a length is judged as soon as its four bytes are there, by the limit of that moment',
  async (t) => {
    const reader = makeReader('request', frameBeforeLoginBytesMax);
    const length = Buffer.from('00001001', 'hex');
    reader.push(Buffer.concat([PREAMBLE, length.subarray(0, 3)]));
    t.equal(reader.next(), undefined);
    reader.push(length.subarray(3));
    t.throws(() => reader.next(), { message: /length 4097 is above the 4096 allowed now/ });

    const writer = new FrameWriter();
    encodeRequest(writer, { verb: 'login' }, 0, 1);
    encodeRequest(writer, { verb: 'store', record: Buffer.alloc(5000), lock: 'none' }, 1, 2);
    const raised = makeReader('request', frameBeforeLoginBytesMax);
    raised.push(Buffer.concat([PREAMBLE, ...writer.take()]));
    t.equal(raised.next()?.verb, 0x02);
    raised.frameBytesMax = frameBytesMax;
    const second = raised.next();
    t.equal(second && bodyOf(second).length, 5001, 'raised between two frames of one chunk');
  },
);

t.test('pushing before the last chunk is used up is a mistake of the program', async (t) => {
  const reader = makeReader('request');
  reader.push(streamOf('request'));
  t.ok(reader.next());
  t.throws(() => reader.push(Buffer.alloc(1)), TypeError);
});

t.test('replies of one turn leave as one piece, in order', async (t) => {
  const writer = new FrameWriter();
  const pong = Buffer.from('000000088400000000000000', 'hex');
  for (let id = 0; id < 100; id++) encodeReply(writer, { verb: 'pong' }, 0, id);
  t.equal(writer.pendingBytes, 100 * pong.length);
  const pieces = writer.take();
  t.equal(pieces.length, 1);
  t.equal(writer.pendingBytes, 0);
  t.strictSame(writer.take(), [], 'nothing is given twice');
  const frames = readAll(makeReader('reply'), pieces);
  t.strictSame(
    frames.map(({ request }) => request),
    Array.from({ length: 100 }, (_, id) => id),
  );
});

t.test('what was taken is not written again, however much follows', async (t) => {
  const writer = new FrameWriter();
  const taken: { piece: Buffer; copy: Buffer }[] = [];
  const expected: number[] = [];
  for (let turn = 0; turn < 300; turn++) {
    for (let index = 0; index < (turn * 7) % 40; index++) {
      const records = Buffer.alloc((turn * 131 + index * 17) % 40_000, turn);
      encodeReply(writer, { verb: 'data', recordLength: 1, records }, 1, turn * 100 + index);
      expected.push(records.length);
    }
    for (const piece of writer.take()) taken.push({ piece, copy: Buffer.from(piece) });
  }
  t.ok(taken.every(({ piece, copy }) => piece.equals(copy)));
  const frames = readAll(
    makeReader('reply'),
    taken.map(({ piece }) => piece),
  );
  t.strictSame(
    frames.map((frame) => bodyOf(frame).length - 4),
    expected,
  );
});

t.test('large bodies of replies are attached, small ones and requests are copied', async (t) => {
  const isCopied = (bytes: number, direction: FrameDirection): boolean => {
    const writer = new FrameWriter();
    const record = Buffer.alloc(bytes, 'a');
    if (direction === 'request')
      encodeRequest(writer, { verb: 'store', record, lock: 'none' }, 1, 1);
    else {
      encodeReply(
        writer,
        { verb: 'record', rfa: Buffer.alloc(6), crc: 0, locked: false, record },
        1,
        1,
      );
    }
    record.fill('b');
    return Buffer.concat(writer.take()).toString('latin1').endsWith('a');
  };
  t.equal(isCopied(200, 'reply'), true);
  t.equal(isCopied(16 * 1024, 'reply'), false);
  t.equal(isCopied(64 * 1024, 'request'), true);
});

t.test(
  'records that have room before them become a frame in place, the same as others',
  async (t) => {
    const writer = new FrameWriter();
    const both = [100, 20_000].flatMap((bytes) => {
      const roomy = Buffer.alloc(DATA_ROOM_BYTES + bytes, 'a');
      const records = roomy.subarray(DATA_ROOM_BYTES);
      return [{ records }, { records, roomy }].map((each) => {
        encodeReply(writer, { verb: 'data', recordLength: 10, ...each }, 3, 70_000);
        const pieces = writer.take();
        return { isInPlace: pieces.some((piece) => piece === roomy), bytes: Buffer.concat(pieces) };
      });
    });
    t.strictSame(
      both.map(({ isInPlace }) => isInPlace),
      [false, false, false, true],
    );
    t.strictSame(both[0]?.bytes, both[1]?.bytes);
    t.strictSame(both[2]?.bytes, both[3]?.bytes);
    const roomy = Buffer.alloc(frameBytesMax + 5);
    const records = roomy.subarray(DATA_ROOM_BYTES);
    t.throws(() => encodeReply(writer, { verb: 'data', recordLength: 1, records, roomy }, 1, 1), {
      code: 'ERR_INVARG',
    });
    t.strictSame(writer.take(), []);
  },
);

t.test('an idle writer holds little, also after a busy turn', async (t) => {
  const writer = new FrameWriter();
  const records = Buffer.alloc(1000);
  const turn = (count: number): number => {
    for (let id = 0; id < count; id++) {
      encodeReply(writer, { verb: 'data', recordLength: 1, records }, 1, id);
    }
    return Math.max(...writer.take().map((piece) => piece.buffer.byteLength));
  };
  t.equal(turn(1), 4096);
  t.ok(turn(1000) <= 64 * 1024, 'slabs are bounded');
  for (let quiet = 0; quiet < 130; quiet++) turn(1);
  t.equal(turn(1), 4096, 'and small again');
});

t.test('a writer that rests gives its memory back, and goes on with other', async (t) => {
  const writer = new FrameWriter();
  const append = (value: number): void => {
    writer.to(1, value);
    writer.begin(0x10, 1);
    writer.u8(value);
  };
  append(1);
  writer.rest();
  const [first] = writer.take();
  t.equal(first?.at(-1), 1, 'what waits to be taken stays');
  writer.rest();
  append(2);
  const [second] = writer.take();
  t.equal(second?.at(-1), 2);
  t.equal(first?.at(-1), 1);
  t.not(second?.buffer, first?.buffer);
});

t.test('a body shorter or longer than was said is a mistake of the program', async (t) => {
  const short = new FrameWriter();
  short.to(0, 0);
  short.begin(0x84, 2);
  short.u8(1);
  t.throws(() => short.take(), TypeError);
  t.throws(() => short.begin(0x84, 0), TypeError);
});
