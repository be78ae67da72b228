// Every message, there and back, against frames written down in hex; and everything a codec must
// refuse.

import t from 'tap';
import { isRsyndError } from '../../../shared/base/error.js';
import {
  errorMessageBytesMax,
  fieldsPerFileMax,
  fileNameBytesMax,
  frameBytesMax,
  keysPerFileMax,
  messageDepthMax,
  messageElementsMax,
  recordBytesMax,
  recordsPerFrameMax,
  segmentsPerKeyMax,
} from '../../../shared/base/limits.js';
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
} from '../../../shared/protocol/codec.js';
import { FRAME_HEADER_BYTES } from '../../../shared/protocol/frame.js';
import { FrameWriter } from '../../../shared/protocol/frame-writer.js';
import type { Reply, Request } from '../../../shared/protocol/message.js';
import { creditOfRows } from '../../../shared/protocol/select.js';
import { REPLY_VERBS, REQUEST_VERBS } from '../../../shared/protocol/verb.js';
import type { FieldSpec, FileSpec, KeySpec } from '../../../shared/record/file-spec.js';
import { type Example, readExamples } from '../../fixture/protocol/examples.js';

const EXAMPLES = readExamples();
const SELECT = {
  verb: 'select',
  action: 'read',
  query: {},
  locking: false,
  onLocked: 'fail',
  waitMs: 0,
  credit: 0,
} as const;

const encode = ({ direction, message, channel, id }: Omit<Example, 'frame' | 'title'>): Buffer => {
  const writer = new FrameWriter();
  if (direction === 'request') encodeRequest(writer, message as Request, channel, id);
  else encodeReply(writer, message as Reply, channel, id);
  return Buffer.concat(writer.take());
};

const bodyOf = (direction: Example['direction'], message: Request | Reply): Buffer =>
  encode({ direction, message, channel: 0, id: 0 }).subarray(FRAME_HEADER_BYTES);

const decode = (direction: Example['direction'], verb: number, body: Buffer): Request | Reply =>
  direction === 'request' ? decodeRequest(verb, body) : decodeReply(verb, body);

const catchError = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
};

t.test('every example is what its hex says, both ways', async (t) => {
  for (const example of EXAMPLES) {
    const { direction, title, frame } = example;
    t.equal(
      encode(example).toString('hex'),
      frame.toString('hex'),
      `${direction} ${title} encodes`,
    );
    const decoded = decode(direction, frame[4] ?? 0, frame.subarray(FRAME_HEADER_BYTES));
    t.strictSame(decoded, example.message, `${direction} ${title} decodes`);
  }
});

t.test('every verb has an example', async (t) => {
  const verbsOf = (direction: Example['direction']): string[] =>
    [
      ...new Set(EXAMPLES.filter((e) => e.direction === direction).map((e) => e.message.verb)),
    ].sort();
  t.strictSame(verbsOf('request'), Object.keys(REQUEST_VERBS).sort());
  t.strictSame(verbsOf('reply'), Object.keys(REPLY_VERBS).sort());
});

t.test('decoded bytes are views into the body', async (t) => {
  const body = Buffer.from('0043303030', 'hex');
  const request = decodeRequest(REQUEST_VERBS.get, body);
  body.write('X', 1);
  t.equal(request.verb === 'get' && Buffer.from(request.value).toString(), 'X000');
});

t.test(
  'every example cut at any offset is refused or is another message, never a crash',
  async (t) => {
    let refused = 0;
    for (const { direction, frame } of EXAMPLES) {
      const body = frame.subarray(FRAME_HEADER_BYTES);
      for (let length = 0; length < body.length; length++) {
        const cut = body.subarray(0, length);
        const error = catchError(() => decode(direction, frame[4] ?? 0, cut));
        if (error === undefined) continue;
        refused++;
        if (!isRsyndError(error, 'ERR_PROTOCOL')) t.fail(`cut at ${length}: ${String(error)}`);
      }
    }
    t.ok(refused > 500, `${refused} cuts refused`);
  },
);

/** Bodies that must be refused: direction and verb, hex, and what the message must say. */
const BAD_BODIES: readonly (readonly [Example['direction'], string, string, RegExp])[] = [
  ['request', 'ping', '00', /ping request: 1 bytes too many/],
  ['request', 'delete', '00', /delete request: 1 bytes too many/],
  ['request', 'read', '', /read request: ends within lock: 0 of 1 bytes/],
  [
    'request',
    'read',
    '03000000000100',
    /lock is 3, known are none \(0\), auto \(1\), manual \(2\)/,
  ],
  ['request', 'read', '0000000000', /ends within target/],
  ['request', 'read', '00000000000400', /target is 4/],
  ['request', 'read', '0000000000000003', /match is 3/],
  ['request', 'read', '00000000000001ff', /read request: 1 bytes too many|match is 255/],
  ['request', 'read', '000000000001ff', /key is 255, the highest is 254/],
  ['request', 'read', '0000000000010000', /1 bytes too many/],
  ['request', 'read', '0000000000030102030405', /address has 5 bytes, not 6 or 10/],
  ['request', 'find', '000000000003', /find request: address has 0 bytes/],
  ['request', 'reads', '000000000000', /direction is 0/],
  ['request', 'reads', '0100000000', /ends within waitMs: 3 of 4/],
  ['request', 'get', '', /get request: ends within key/],
  ['request', 'get', 'ff43', /key is 255/],
  ['request', 'store', '0143', /lock is 1/],
  ['request', 'storeMany', '00000002', /ends within record: 0 of 2/],
  ['request', 'storeMany', 'ffffffff43', /ends within record/],
  ['request', 'storeMany', '000000', /ends within length/],
  ['request', 'write', '0501020304', /addressLength is 5, not 0, 6 or 10/],
  ['request', 'write', '0a0102', /ends within address: 2 of 10/],
  ['request', 'unlock', '00', /address has 1 bytes/],
  ['request', 'scan', '000300000000', /direction is 3/],
  ['request', 'scan', '00010000', /ends within credit/],
  ['request', 'credit', '0000000000', /1 bytes too many/],
  ['request', 'hello', '', /hello request: ends within a value/],
  ['request', 'hello', '01', /is not an array of fields/],
  ['request', 'hello', '9101', /software is missing/],
  ['request', 'hello', '9201a0c0', /1 bytes too many/],
  ['request', 'hello', '9301a0c0', /1 fields too many/],
  ['request', 'hello', '92ffa0', /protocol is -1, not within/],
  ['request', 'hello', '92cb3ff8000000000000a0', /protocol is no whole number/],
  ['request', 'hello', '920101', /software is no text/],
  ['request', 'login', '92c0', /ends within a value/],
  ['request', 'login', '92c0c3', /password is no text/],
  ['request', 'login', '92c0a1ff', /text that is no UTF-8/],
  ['request', 'login', '92c0a3eda080', /text that is no UTF-8/],
  ['request', 'login', '92c1c0', /type that messages do not use/],
  ['request', 'login', '92c0c40100', /type that messages do not use/],
  ['request', 'login', '92c0d40000', /type that messages do not use/],
  ['request', 'login', '92c0d6ff00000000', /type that messages do not use/],
  ['request', 'login', '92c0dd00ffffff', /more than \d+ elements/],
  ['request', 'login', '92c0dc00ff', /ends within a value/],
  ['request', 'login', '92c0dbffffffff', /ends within a value/],
  ['request', 'open', '95a161040200c0', /mode is 4/],
  ['request', 'open', '95a161000300c0', /share is 3/],
  ['request', 'open', '95a161000002c0', /lock is 2/],
  ['request', 'open', '94a161000000', /spec is missing/],
  ['request', 'create', '92a16181a161a1ff', /UTF-8/],
  ['request', 'create', '92a16181c0c0', /a map has a key that is no text/],
  ['request', 'create', '92a1618100c0', /a map has a key that is no text/],
  ['request', 'create', '92a16182a16101a16102', /a map has one key twice/],
  ['request', 'create', '92a16181a95f5f70726f746f5f5f80', /key __proto__/],
  ['request', 'isinfo', '93a161cd0100c0', /key is 256/],
  ['request', 'isinfo', '93a1610000c0', /bytes too many/],
  ['request', 'select', '9604c0c0c0c0c0', /action is 4/],
  ['request', 'select', '96009ac0c0c0c0c0c0c0c0c0c0c0000000', /locking is no boolean/],
  ['request', 'select', '96009ac0c0c0c0c0c0c0c0c0c0c2030000', /onLocked is 3/],
  ['request', 'select', '96009ac0c0c0c0c0c0c0c0c0c0c200ff00', /waitMs is -1/],
  ['reply', 'rows', '91c0', /rows are no array/],
  ['reply', 'rows', '9191c0', /a row is no array/],
  ['reply', 'rows', '9191918101', /a map has a key that is no text/],
  ['reply', 'rows', '91919180', /a value is none/],
  ['reply', 'rows', '9191919392a16ea131c0', /ends within|a value is none/],
  ['reply', 'rows', '91919192a16ea178', /a value is no integer/],
  ['reply', 'rows', '91919192a178a130', /a value is no hex/],
  ['reply', 'selected', '950000c0a0c0', /budget and resume go together/],
  ['reply', 'selected', '95000002a0c0', /budget is 2/],
  ['reply', 'selected', '95000000a130c0', /resume is no hex/],
  ['reply', 'selected', '950000c0c090', /plan is no map/],
  ['reply', 'selected', '950000c0c080', /plan.ranges is no array/],
  ['reply', 'selected', '9500c0c0c0c0', /scanned is missing/],
  ['reply', 'hello', '9201a0', /heartbeatMs is missing/],
  ['reply', 'login', '91c0', /user is missing/],
  ['reply', 'value', '91c0', /neither a number nor text/],
  ['reply', 'value', '91c3', /neither a number nor text/],
  ['reply', 'value', '91cb7ff0000000000000', /neither a number nor text/],
  ['reply', 'record', '0102030405', /ends within rfa/],
  ['reply', 'record', '0102030405060000000002', /locked is 2, it must be 0 or 1/],
  ['reply', 'stored', '010203040506000000000000', /1 bytes too many/],
  ['reply', 'storedMany', '000000', /ends within stored/],
  ['reply', 'storedMany', '00000001c0', /is not an array of fields/],
  ['reply', 'data', '000000044343434343', /1 bytes behind the last record of 4/],
  ['reply', 'data', '0000000000000002', /ends within a record/],
  ['reply', 'data', '00000000000000', /ends within a record/],
  ['reply', 'end', '0020000000000000', /records is above 2\^53 - 1/],
  ['reply', 'error', '9340a0c2', /file is missing/],
  ['reply', 'error', '9440a000c0', /retryable is no boolean/],
  ['reply', 'error', '94ce00010000a0c2c0', /errno is 65536/],
];

t.test(
  'a bad body is refused with ERR_PROTOCOL, naming the message and what is wrong',
  async (t) => {
    for (const [direction, verb, hex, pattern] of BAD_BODIES) {
      const verbs: Readonly<Record<string, number>> =
        direction === 'request' ? REQUEST_VERBS : REPLY_VERBS;
      const body = Buffer.from(hex, 'hex');
      const error = catchError(() => decode(direction, verbs[verb] ?? 0, body));
      if (!isRsyndError(error, 'ERR_PROTOCOL')) t.fail(`${verb} ${hex}: ${String(error)}`);
      else {
        t.match(error.message, pattern, `${direction} ${verb} ${hex}`);
        t.match(error.message, `Protocol violation: ${verb} ${direction}: `);
      }
    }
  },
);

t.test('an unknown verb is refused in both directions', async (t) => {
  t.throws(() => decodeRequest(0x81, Buffer.alloc(0)), { code: 'ERR_PROTOCOL', message: /0x81/ });
  t.throws(() => decodeReply(0x01, Buffer.alloc(0)), { code: 'ERR_PROTOCOL', message: /0x01/ });
});

t.test('MessagePack is looked over before it is decoded: depth, elements, bombs', async (t) => {
  const nested = (depth: number): Buffer =>
    Buffer.concat([Buffer.from('92a161', 'hex'), Buffer.alloc(depth, 0x91), Buffer.from([0xc0])]);
  const refused = (body: Buffer): unknown =>
    catchError(() => decodeRequest(REQUEST_VERBS.create, body));
  t.match(refused(nested(messageDepthMax)), { message: /nested deeper than 16/ });
  t.match(refused(nested(72_000)), { message: /nested deeper than 16/ });
  t.notMatch(refused(nested(messageDepthMax - 1)), { message: /nested/ }, 'the limit is allowed');
  const wide = Buffer.alloc(messageElementsMax + 8, 0xc0);
  wide.write('92a161dd', 'hex');
  wide.writeUInt32BE(messageElementsMax - 3, 4);
  t.match(
    refused(wide.subarray(0, 8 + messageElementsMax - 3)),
    { code: 'ERR_BADDEF' },
    'as many as may be',
  );
  wide.writeUInt32BE(messageElementsMax - 2, 4);
  t.match(refused(wide), { message: /more than \d+ elements/ });
});

t.test(
  'the values of a request that no frame can carry are refused by their own code',
  async (t) => {
    const key = { by: 'key', key: 0, value: Buffer.alloc(1), match: 'eq' } as const;
    const cases: readonly (readonly [unknown, string])[] = [
      [{ verb: 'read', target: key, lock: 'none', waitMs: -1 }, 'ERR_INVARG'],
      [{ verb: 'read', target: key, lock: 'none', waitMs: 0.5 }, 'ERR_INVARG'],
      [{ verb: 'read', target: key, lock: 'none', waitMs: Number.POSITIVE_INFINITY }, 'ERR_INVARG'],
      [{ verb: 'read', target: key, lock: 'hard', waitMs: 0 }, 'ERR_BADMODE'],
      [
        { verb: 'read', target: { ...key, match: 'toString' }, lock: 'none', waitMs: 0 },
        'ERR_INVARG',
      ],
      [
        { verb: 'read', target: { ...key, key: keysPerFileMax }, lock: 'none', waitMs: 0 },
        'ERR_BADKEY',
      ],
      [{ verb: 'find', target: { by: 'first', key: -1 }, lock: 'none', waitMs: 0 }, 'ERR_BADKEY'],
      [
        { verb: 'find', target: { by: 'rfa', address: Buffer.alloc(7) }, lock: 'none', waitMs: 0 },
        'ERR_INVALRFA',
      ],
      [{ verb: 'get', key: 1.5, value: Buffer.alloc(0) }, 'ERR_BADKEY'],
      [{ verb: 'store', record: Buffer.alloc(0), lock: 'auto' }, 'ERR_BADMODE'],
      [{ verb: 'store', record: Buffer.alloc(frameBytesMax), lock: 'none' }, 'ERR_INVARG'],
      [
        { verb: 'storeMany', records: new Array(recordsPerFrameMax + 1).fill(Buffer.alloc(0)) },
        'ERR_INVARG',
      ],
      [{ verb: 'write', record: Buffer.alloc(1), address: Buffer.alloc(0) }, 'ERR_INVALRFA'],
      [{ verb: 'unlock', rfa: Buffer.alloc(5) }, 'ERR_INVALRFA'],
      [{ verb: 'scan', order: 255, direction: 'forward', credit: 0 }, 'ERR_BADKEY'],
      [{ verb: 'scan', order: 0, direction: 'up', credit: 0 }, 'ERR_INVARG'],
      [{ verb: 'credit', bytes: 2 ** 32 }, 'ERR_INVARG'],
      [{ ...SELECT, action: 'look' }, 'ERR_INVARG'],
      [{ ...SELECT, onLocked: 'hope' }, 'ERR_INVARG'],
      [{ ...SELECT, waitMs: -1 }, 'ERR_INVARG'],
      [{ ...SELECT, query: { where: 'x'.repeat(frameBytesMax) } }, 'ERR_INVARG'],
      [{ verb: 'isinfo', request: 'SIZE', key: 256 }, 'ERR_ISINFO'],
      [{ verb: 'isinfo', request: 'SIZE', key: 0, segment: -1 }, 'ERR_ISINFO'],
      [{ verb: 'open', name: 'a\ud800', mode: 'input', share: 'all', lock: 'none' }, 'ERR_INVARG'],
      [{ verb: 'open', name: 'a', mode: 'inputs', share: 'all', lock: 'none' }, 'ERR_BADMODE'],
      [{ verb: 'login', user: 'x'.repeat(frameBytesMax) }, 'ERR_INVARG'],
    ];
    for (const [request, code] of cases) {
      const writer = new FrameWriter();
      encodeRequest(writer, { verb: 'ping' }, 0, 1);
      t.throws(
        () => encodeRequest(writer, request as Request, 1, 2),
        { code },
        `${code}: nothing else`,
      );
      encodeRequest(writer, { verb: 'ping' }, 0, 3);
      t.equal(Buffer.concat(writer.take()).length, 2 * FRAME_HEADER_BYTES, 'nothing was appended');
    }
  },
);

t.test('storeMany takes its most records, and not one more', async (t) => {
  const body = Buffer.alloc(4 * recordsPerFrameMax);
  const request = decodeRequest(REQUEST_VERBS.storeMany, body);
  t.equal(request.verb === 'storeMany' && request.records.length, recordsPerFrameMax);
  const over = Buffer.alloc(4 * recordsPerFrameMax + 4);
  t.throws(() => decodeRequest(REQUEST_VERBS.storeMany, over), {
    message: /more than 32768 records/,
  });
});

t.test('a record of the largest size fits a frame, with key and header to spare', async (t) => {
  const record = Buffer.alloc(recordBytesMax, 'r');
  const body = bodyOf('request', { verb: 'store', record, lock: 'none' });
  t.equal(body.length, 1 + recordBytesMax);
  const reply: Reply = { verb: 'record', rfa: Buffer.alloc(6), crc: 1, locked: false, record };
  t.strictSame(decodeReply(REPLY_VERBS.record, bodyOf('reply', reply)), reply);
});

t.test('a definition of the most keys, segments and fields travels', async (t) => {
  const segments = Array.from({ length: segmentsPerKeyMax }, (_, index) => ({
    offset: index,
    length: 1,
    type: 'alpha',
    order: 'ascending',
  })) as KeySpec['segments'];
  const keys = Array.from(
    { length: keysPerFileMax },
    (_, index): KeySpec => ({
      name: `KEY${index}`,
      segments,
      dups: index === 0 ? 'none' : 'fifo',
      modifiable: index > 0,
    }),
  );
  const fields = Array.from(
    { length: fieldsPerFileMax },
    (_, index): FieldSpec => ({
      name: `field_number_${index}_with_a_long_name`,
      type: 'decimal',
      offset: index * 2,
      length: 2,
      precision: 1,
    }),
  );
  const record = { size: fieldsPerFileMax * 2, format: 'fixed' } as const;
  const spec: FileSpec = {
    record,
    keys,
    fields,
    networkEncrypt: false,
    text: '',
    attributes: {},
  };
  const reply: Reply = { verb: 'open', spec };
  t.strictSame(decodeReply(REPLY_VERBS.open, bodyOf('reply', reply)), reply);
});

t.test('a hello of another version is understood as far as every version says it', async (t) => {
  const later = Buffer.from('9402a57273796e64c3a161', 'hex');
  t.strictSame(decodeRequest(REQUEST_VERBS.hello, later), {
    verb: 'hello',
    protocol: 2,
    software: 'rsynd',
  });
  const laterReply = Buffer.from('9402a572737964640ac0', 'hex');
  t.match(decodeReply(REPLY_VERBS.hello, laterReply), { protocol: 2, heartbeatMs: 10 });
});

t.test('an error of a newer server keeps its number in the message', async (t) => {
  const body = Buffer.from('94cd2700a46f6f7073c3c0', 'hex');
  t.match(decodeReply(REPLY_VERBS.error, body), {
    verb: 'error',
    code: 'ERR_PROTOCOL',
    message: 'Protocol violation: error 9984 is unknown to this version, it says: oops',
    retryable: true,
  });
});

t.test(
  'an error always fits: long texts are cut between characters, surrogates replaced',
  async (t) => {
    const reply: Reply = {
      verb: 'error',
      code: 'ERR_FILSPC',
      message: `${'é'.repeat(errorMessageBytesMax)}`,
      retryable: false,
      file: `\ud800${'x'.repeat(10_000)}`,
    };
    const decoded = decodeReply(REPLY_VERBS.error, bodyOf('reply', reply));
    if (decoded.verb !== 'error') throw new Error('not an error');
    t.equal(decoded.message, 'é'.repeat(errorMessageBytesMax / 2));
    t.equal(decoded.file, `\ufffd${'x'.repeat(fileNameBytesMax - 3)}`);
  },
);

t.test(
  'a frame to a channel or request number that does not fit is a mistake of the program',
  async (t) => {
    const writer = new FrameWriter();
    for (const [channel, id] of [
      [65_536, 0],
      [-1, 0],
      [0, 2 ** 32],
      [0, 0.5],
    ] as const) {
      t.throws(() => encodeRequest(writer, { verb: 'ping' }, channel, id), TypeError);
    }
  },
);

t.test('rows count as much credit as PROTOCOL.md says, on both sides', async (t) => {
  t.equal(creditOfRows([]), 0);
  t.equal(creditOfRows([[1, null, true, 5n]]), 4 + 4 * 8);
  t.equal(creditOfRows([['abc'], [Buffer.alloc(5)]]), 4 + 8 + 3 + 4 + 8 + 5);
});

t.test('a row cannot hold what is no value', async (t) => {
  const rows = [[Number.NaN]];
  t.throws(() => bodyOf('reply', { verb: 'rows', rows }), { code: 'ERR_INVARG' });
});
