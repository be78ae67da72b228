import fc from 'fast-check';
import t from 'tap';
import { RsyndError } from '../../../shared/base/error.js';
import type {
  FileAttributes,
  FileSpec,
  KeySpec,
  SegmentSpec,
} from '../../../shared/record/file-spec.js';
import { parseXdl } from '../../../shared/record/xdl.js';
import { printXdl } from '../../../shared/record/xdl-print.js';

const MINIMAL = `
RECORD
  SIZE 20
KEY 0
  START 1
  LENGTH 6
`;

/** The message of the error a text gives, without the code's own words. */
function errorOf(text: string): string {
  try {
    parseXdl(text, { fileName: 'x.xdl' });
  } catch (error) {
    if (error instanceof RsyndError && error.code === 'ERR_BADXDLF') {
      return error.message.replace('Bad XDL file: x.xdl ', '');
    }
    throw error;
  }
  return 'no error';
}

t.test('parseXdl() reads every keyword, in any case and abbreviated', async (t) => {
  const spec = parseXdl(`
!	a comment
FILE
	NAME            "DAT:shop.ism"   ! the name is the creator's business
	addressing      48
	PAGE_SIZE       4096
	KEYS            3
	NETWORK         yes
	TRACK_CHANGES   n
	ROLLBACK        YES
	SIZE_LIMIT      100
	RECORD_LIMIT    5000
	TEXT            "say ""hello""; twice!"
	TEXT_ALLOCATION 64
	DENSITY         75
	RESILIENT       yes
	FULLRESILIENT   no
	STATIC_RFA      yes
	ERASE_ON_DELETE no
	PORT_INT        9:4,13:2
record
	size            120
	FORMAT          var
	COMPRESS_DATA   yes
	STORED_GRFA     yes
KEY 1
	START 7:20 ; LENGTH 3:2 ; TYPE nocase:integer ; ORDER asc:d
	NAME 'STATE' ; DUPLICATES yes ; DUPLICATE_ORDER fifo ; MODIFIABLE y
	NULL noreplicate ; VALUE_NULL "*" ; DENSITY 50
KEY 0
	START 1
	LENGTH 6
	TYPE decimal
KEY 2
	START 30 ; LENGTH 8 ; TYPE sequence ; SEED 1000 ; NAME LOG
`);
  t.strictSame(spec, {
    record: { size: 120, format: 'variable' },
    keys: [
      {
        name: 'KEY0',
        segments: [{ offset: 0, length: 6, type: 'decimal', order: 'ascending' }],
        dups: 'none',
        modifiable: false,
      },
      {
        name: 'STATE',
        segments: [
          { offset: 6, length: 3, type: 'nocase', order: 'ascending' },
          { offset: 19, length: 2, type: 'integer', order: 'descending' },
        ],
        dups: 'fifo',
        modifiable: true,
        nullKey: { kind: 'noreplicate', value: '*' },
        density: 50,
      },
      {
        name: 'LOG',
        segments: [{ offset: 29, length: 8, type: 'sequence', order: 'ascending' }],
        dups: 'none',
        modifiable: false,
      },
    ],
    fields: [],
    networkEncrypt: true,
    text: 'say "hello"; twice!',
    attributes: {
      addressing: 48,
      pageSize: 4096,
      density: 75,
      compressData: true,
      staticRfa: true,
      storedGrfa: true,
      trackChanges: false,
      eraseOnDelete: false,
      rollback: true,
      resilient: true,
      fullResilient: false,
      sizeLimit: 100,
      recordLimit: 5000,
      textAllocation: 64,
      portableIntegers: [
        { offset: 8, length: 4 },
        { offset: 12, length: 2 },
      ],
    },
    seeds: { 2: 1000 },
  });
});

t.test('parseXdl() takes what is left out as the field does', async (t) => {
  const { record, keys, networkEncrypt, text, attributes } = parseXdl(MINIMAL);
  t.equal(record.format, 'fixed');
  t.equal(networkEncrypt, false);
  t.equal(text, '');
  t.strictSame(attributes, {});
  t.equal(keys[0]?.segments[0]?.type, 'alpha');
  t.equal(parseXdl(`${MINIMAL}DUPLICATES yes`).keys[0]?.dups, 'lifo', 'duplicates go first');
  t.equal(parseXdl(`${MINIMAL}DUPLICATES no;DUPLICATE_ORDER fifo`).keys[0]?.dups, 'none');
  const segments = parseXdl('RECORD;SIZE 9;KEY 0;START 1:4;LENGTH 2:2;TYPE decimal;ORDER desc');
  const types = segments.keys[0]?.segments.map(({ type, order }) => `${type} ${order}`);
  t.strictSame(types, ['decimal descending', 'decimal descending'], 'one value is for all');
});

t.test('parseXdl() says where a definition is wrong and what was expected', async (t) => {
  const cases: readonly (readonly [text: string, message: string])[] = [
    [
      'FIEL\n',
      'line 1, column 1: "FIEL" is outside of the sections FILE, RECORD and KEY n, did you mean FILE',
    ],
    ['RECORD\n SIZE 5\n', 'line 1, column 1: there is no KEY section'],
    ['FILE\nKEY 0\nSTART 1\n', 'line 1, column 1: there is no RECORD section'],
    [
      'FILE\n  NETWORK_ENCRYPTION yes',
      'line 2, column 3: "NETWORK_ENCRYPTION" is not among the keywords of FILE, did you mean NETWORK_ENCRYPT',
    ],
    ['FILE\n  T 1', 'line 2, column 3: "T" is ambiguous: TEXT, TEXT_ALLOCATION, TRACK_CHANGES'],
    [
      `FILE\n  NETWORK_ENCRYPT maybe${MINIMAL}`,
      'line 2, column 19: "maybe" is not among the values of NETWORK_ENCRYPT (YES, NO)',
    ],
    [`FILE\nNETWORK_ENCRYPT${MINIMAL}`, 'line 2, column 16: NETWORK_ENCRYPT has no value'],
    ['FILE\nFILE', 'line 2, column 1: section FILE is there twice, first on line 1'],
    ['RECORD 5', 'line 1, column 8: "5" follows RECORD'],
    ['RECORD\nSIZE 5\nSIZE 6', 'line 3, column 1: SIZE is stated twice, first on line 2'],
    [
      'RECORD\nSIZE five\nKEY 0\nSTART 1\nLENGTH 1',
      'line 2, column 6: SIZE takes a whole number from 1 to 1048576, not "five"',
    ],
    [
      'RECORD\nFORMAT fixed\nKEY 0\nSTART 1\nLENGTH 1',
      'line 1, column 1: SIZE is missing in RECORD',
    ],
    [`FILE\nKEYS 2${MINIMAL}`, 'line 2, column 6: KEYS says 2, but there are 1 KEY sections'],
    [`FILE\nADDRESSING 64${MINIMAL}`, 'line 2, column 12: ADDRESSING is one of 32, 40, 48, not 64'],
    [
      `FILE\nDENSITY 20${MINIMAL}`,
      'line 2, column 9: DENSITY takes a whole number from 50 to 100, not "20"',
    ],
    [
      `FILE\nTEXT "abc"\nTEXT_ALLOC 2${MINIMAL}`,
      'line 2, column 6: TEXT has 3 bytes, TEXT_ALLOCATION is 2',
    ],
    ['FILE\nTEXT "abc\n', 'line 2, column 6: the string is not closed'],
    ['FILE\nTEXT "abc" def', 'line 2, column 12: "def" follows the closing quote'],
    [`FILE\nTEXT abc def${MINIMAL}`, 'line 2, column 6: TEXT takes one word'],
    [
      `FILE\nRESILIENT no\nFULLRES yes${MINIMAL}`,
      'line 2, column 11: RESILIENT no contradicts FULLRESILIENT yes',
    ],
    [
      `FILE\nPORT_INT 19:4${MINIMAL}`,
      'line 4, column 8: PORT_INT 19:4 ends past the record of 20 bytes',
    ],
    [
      'FILE\nSTATIC_RFA yes\nRECORD\nSIZE 5\nSTATIC_RFA yes\nKEY 0\nSTART 1\nLENGTH 1',
      'line 5, column 12: STATIC_RFA is stated in FILE and in RECORD',
    ],
    [
      'RECORD\nSIZE 5\nFORMAT mult\nCOMP yes\nKEY 0\nSTART 1\nLENGTH 1',
      'line 4, column 6: COMPRESS_DATA contradicts FORMAT multiple',
    ],
    [`${MINIMAL}KEY 0`, 'line 7, column 1: KEY 0 is there twice, first on line 4'],
    [`${MINIMAL}KEY 2`, 'line 7, column 1: KEY 2 without KEY 1'],
    [`${MINIMAL}KEY x`, 'line 7, column 5: KEY takes a number from 0 to 254, not "x"'],
    [`${MINIMAL}KEY 1\nSTART 1`, 'line 7, column 1: KEY 1: LENGTH is missing'],
    [`${MINIMAL}KEY 1\nLENGTH 1`, 'line 7, column 1: KEY 1: START is missing'],
    [
      `${MINIMAL}KEY 1\nSTART 0\nLENGTH 1`,
      'line 8, column 7: START takes a whole number of at least 1',
    ],
    [
      `${MINIMAL}KEY 1\nSTART 1:2\nLENGTH 1`,
      'line 9, column 8: KEY 1: LENGTH names 1 segments but START 2',
    ],
    [
      `${MINIMAL}KEY 1\nSTART 20\nLENGTH 2`,
      'line 8, column 7: KEY 1: segment 1 ends at 21, past the record of 20 bytes',
    ],
    [
      `${MINIMAL}KEY 1\nSTART 1\nLENGTH 9\nTYPE integer`,
      'line 9, column 8: KEY 1: integer segments have 1-8 bytes, not 9',
    ],
    [
      `${MINIMAL}KEY 1\nSTART 1\nLENGTH 4\nTYPE sequence`,
      'line 9, column 8: KEY 1: sequence segments have 8 bytes, not 4',
    ],
    [
      `${MINIMAL}KEY 1\nSTART 1:2:3\nLENGTH 1:1:1\nTYPE a:d`,
      'line 10, column 6: KEY 1: TYPE names 2 segments but START 3',
    ],
    [
      `${MINIMAL}KEY 1\nSTART 1:1:1:1:1:1:1:1:1\nLENGTH 1`,
      'line 8, column 7: KEY 1: a key has at most 8 segments, not 9',
    ],
    [`${MINIMAL}VALUE_NULL "x"`, 'line 7, column 12: KEY 0: VALUE_NULL without a NULL key'],
    [
      `${MINIMAL}NULL short;VALUE_NULL "x"`,
      'line 7, column 23: KEY 0: VALUE_NULL contradicts NULL SHORT',
    ],
    [`${MINIMAL}SEED 5`, 'line 7, column 6: KEY 0: SEED needs a segment of type SEQUENCE'],
    [
      `${MINIMAL}NAME a\nKEY 1\nNAME A\nSTART 1\nLENGTH 1`,
      'line 9, column 6: KEY 1: "A" is the name of KEY 0',
    ],
    [
      'RECORD\nSIZE 300\nKEY 0\nSTART 1\nLENGTH 255',
      'line 5, column 8: KEY 0: a key has at most 254 bytes, not 255',
    ],
  ];
  for (const [text, message] of cases) {
    const said = errorOf(text);
    t.ok(said.startsWith(message), `${JSON.stringify(text)}: ${said}`);
  }
});

const name = fc.string({ minLength: 1, maxLength: 15, unit: 'grapheme-ascii' });
const numericTypes = ['integer', 'unsigned'] as const;
const textTypes = ['alpha', 'nocase', 'decimal'] as const;
const autokeyTypes = ['sequence', 'timestamp', 'ctimestamp'] as const;
const order = fc.constantFrom('ascending' as const, 'descending' as const);
const segment: fc.Arbitrary<SegmentSpec> = fc.oneof(
  fc.record({
    offset: fc.nat(400),
    length: fc.integer({ min: 1, max: 30 }),
    type: fc.constantFrom(...textTypes),
    order,
  }),
  fc.record({
    offset: fc.nat(400),
    length: fc.integer({ min: 1, max: 8 }),
    type: fc.constantFrom(...numericTypes),
    order,
  }),
  fc.record({
    offset: fc.nat(400),
    length: fc.constant(8),
    type: fc.constantFrom(...autokeyTypes),
    order,
  }),
);
const nullKey = fc.oneof(
  fc.constant({ kind: 'short' as const }),
  fc.constant({ kind: 'replicate' as const }),
  fc.record({
    kind: fc.constantFrom('replicate' as const, 'noreplicate' as const),
    value: fc.string({ maxLength: 5 }),
  }),
);
const density = fc.integer({ min: 50, max: 100 });
const key: fc.Arbitrary<KeySpec> = fc.record(
  {
    name,
    segments: fc.array(segment, { minLength: 1, maxLength: 8 }),
    dups: fc.constantFrom('none' as const, 'fifo' as const, 'lifo' as const),
    modifiable: fc.boolean(),
    nullKey,
    density,
  },
  { requiredKeys: ['name', 'segments', 'dups', 'modifiable'] },
);
const attributes: fc.Arbitrary<FileAttributes> = fc.record(
  {
    addressing: fc.constantFrom(32 as const, 40 as const, 48 as const),
    pageSize: fc.constantFrom(512, 1024, 4096, 32768),
    density,
    staticRfa: fc.boolean(),
    storedGrfa: fc.boolean(),
    trackChanges: fc.boolean(),
    eraseOnDelete: fc.boolean(),
    rollback: fc.boolean(),
    resilient: fc.constant(true),
    fullResilient: fc.boolean(),
    sizeLimit: fc.integer({ min: 1 }),
    recordLimit: fc.integer({ min: 1 }),
    textAllocation: fc.integer({ min: 200, max: 1024 }),
    portableIntegers: fc.array(
      fc.record({ offset: fc.nat(400), length: fc.integer({ min: 1, max: 8 }) }),
      { minLength: 1, maxLength: 4 },
    ),
  },
  { requiredKeys: [] },
);
const spec: fc.Arbitrary<FileSpec> = fc
  .record({
    record: fc.record({
      size: fc.integer({ min: 440, max: 1024 * 1024 }),
      format: fc.constantFrom('fixed' as const, 'multiple' as const, 'variable' as const),
    }),
    keys: fc.uniqueArray(key, {
      minLength: 1,
      maxLength: 6,
      selector: (k) => k.name.toUpperCase(),
    }),
    networkEncrypt: fc.boolean(),
    text: fc
      .string({ maxLength: 50, unit: 'grapheme' })
      .filter((text) => Buffer.byteLength(text) <= 200 && !/\r/.test(text)),
    attributes,
    seed: fc.option(fc.nat(1_000_000)),
  })
  .map(({ seed, ...rest }) => {
    const number = rest.keys.findIndex((k) => k.segments.some(({ type }) => type === 'sequence'));
    const seeds = seed === null || number < 0 ? {} : { seeds: { [number]: seed } };
    return { ...rest, fields: [], ...seeds };
  });

t.test('parseXdl() gives back every definition printXdl() writes', async (t) => {
  const seed = Date.now() % 2 ** 31;
  t.comment(`seed ${seed}`);
  fc.assert(
    fc.property(spec, (definition) => {
      const bytes = definition.keys.map((k) =>
        k.segments.reduce((sum, { length }) => sum + length, 0),
      );
      fc.pre(bytes.every((each) => each <= 254));
      const text = printXdl(definition, { fileName: 'a "b".ism' });
      // Generated objects have no prototype; the clone has.
      t.strictSame(parseXdl(text), structuredClone(definition));
    }),
    { seed, numRuns: 200 },
  );
});

t.test('parseXdl() answers any text with a definition or ERR_BADXDLF', async (t) => {
  const seed = Date.now() % 2 ** 31;
  t.comment(`seed ${seed}`);
  const words = fc.constantFrom(
    'FILE',
    'RECORD',
    'KEY 0',
    'KEY',
    'SIZE 10',
    'START 1',
    'LENGTH 2',
    'NAME "x',
    '"',
    "'",
    '!',
    ';',
    '\n',
    ':',
    '9',
    'yes',
    '\0',
    'é',
  );
  fc.assert(
    fc.property(fc.array(words, { maxLength: 30 }), (parts) => {
      try {
        parseXdl(parts.join(' '));
      } catch (error) {
        if (!(error instanceof RsyndError) || error.code !== 'ERR_BADXDLF') throw error;
      }
    }),
    { seed, numRuns: 500 },
  );
});
