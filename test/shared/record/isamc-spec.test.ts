import t from 'tap';
import { RsyndError } from '../../../shared/base/error.js';
import { type IsamcSpec, parseIsamcSpec } from '../../../shared/record/isamc-spec.js';

const KEY = 'START=1,LENGTH=4';

function errorOf(spec: Partial<IsamcSpec>): string {
  try {
    parseIsamcSpec({ recordSize: 50, keys: [KEY], ...spec });
  } catch (error) {
    if (error instanceof RsyndError && error.code === 'ERR_BADXDLS') {
      return error.message.replace('Bad XDL string: ', '');
    }
    throw error;
  }
  return 'no error';
}

t.test('parseIsamcSpec() reads the classic form', async (t) => {
  const spec = parseIsamcSpec({
    options: 'NETWORK_ENCRYPT,STATIC_RFA',
    recordSize: 120,
    keys: [
      'START=1:20,LENGTH=5:2,TYPE=A:D,NAME=state,DUPS,ATEND,MODIFY',
      'start=16, length=10, dups',
      'START=30,LENGTH=8,TYPE=S,SEED=77',
      'Start=40,Length=4,Type=I,NoAscend,Null=NoReplicate,Value_Null="a, b",Density=60',
      'START=50:60,LENGTH=2:3,ORDER=D:A,NODUPS,NOMODIFY,NULL=SHORT,COMPRESS=ALL',
    ],
  });
  t.strictSame(spec, {
    record: { size: 120, format: 'fixed' },
    keys: [
      {
        name: 'state',
        segments: [
          { offset: 0, length: 5, type: 'alpha', order: 'ascending' },
          { offset: 19, length: 2, type: 'decimal', order: 'ascending' },
        ],
        dups: 'fifo',
        modifiable: true,
      },
      {
        name: 'KEY1',
        segments: [{ offset: 15, length: 10, type: 'alpha', order: 'ascending' }],
        dups: 'lifo',
        modifiable: false,
      },
      {
        name: 'KEY2',
        segments: [{ offset: 29, length: 8, type: 'sequence', order: 'ascending' }],
        dups: 'none',
        modifiable: false,
      },
      {
        name: 'KEY3',
        segments: [{ offset: 39, length: 4, type: 'integer', order: 'descending' }],
        dups: 'none',
        modifiable: false,
        nullKey: { kind: 'noreplicate', value: 'a, b' },
        density: 60,
      },
      {
        name: 'KEY4',
        segments: [
          { offset: 49, length: 2, type: 'alpha', order: 'descending' },
          { offset: 59, length: 3, type: 'alpha', order: 'ascending' },
        ],
        dups: 'none',
        modifiable: false,
        nullKey: { kind: 'short' },
      },
    ],
    fields: [],
    networkEncrypt: true,
    text: '',
    attributes: { staticRfa: true },
    seeds: { 2: 77 },
  });
});

t.test('parseIsamcSpec() reads every file option and its short form', async (t) => {
  const attributesOf = (options: string) => {
    const spec = parseIsamcSpec({ options, recordSize: 50, keys: [KEY] });
    return [spec.record.format, spec.attributes, spec.text, spec.networkEncrypt];
  };
  const cases: readonly (readonly [options: string, expected: readonly unknown[]])[] = [
    ['', ['fixed', {}, '', false]],
    ['F', ['fixed', {}, '', false]],
    ['V,C', ['variable', { compressData: true }, '', false]],
    ['MULTIPLE', ['multiple', {}, '', false]],
    ['m', ['multiple', {}, '', false]],
    ['S,T', ['fixed', { staticRfa: true, addressing: 48 }, '', false]],
    ['NOTBYTE,NOROLLBACK', ['fixed', { addressing: 32, rollback: false }, '', false]],
    ['ROLLBACK,PAGE=512', ['fixed', { rollback: true, pageSize: 512 }, '', false]],
    ['SGRFA,ERASE_ON_DELETE', ['fixed', { storedGrfa: true, eraseOnDelete: true }, '', false]],
    ['SIZE_LIMIT=7,RECORD_LIMIT=9', ['fixed', { sizeLimit: 7, recordLimit: 9 }, '', false]],
    ['TRACK_CHANGES,RESILIENT', ['fixed', { trackChanges: true, resilient: true }, '', false]],
    ['FULLRESILIENT,DENSITY=80', ['fixed', { fullResilient: true, density: 80 }, '', false]],
    ['TEXT="x, y",NETWORK_ENCRYPT', ['fixed', {}, 'x, y', true]],
    [
      'I=1:4,9:2,TBYTE',
      [
        'fixed',
        {
          portableIntegers: [
            { offset: 0, length: 4 },
            { offset: 8, length: 2 },
          ],
          addressing: 48,
        },
        '',
        false,
      ],
    ],
  ];
  for (const [options, expected] of cases) t.strictSame(attributesOf(options), expected, options);
});

t.test('parseIsamcSpec() names the word and its position', async (t) => {
  const cases: readonly (readonly [spec: Partial<IsamcSpec>, message: string])[] = [
    [
      { options: 'NETWORK_ENCRYPTION' },
      'options, position 1: "NETWORK_ENCRYPTION" is not among the words of ISAMC, did you mean NETWORK_ENCRYPT',
    ],
    [{ options: 'FIXED, V' }, 'options, position 8: "V" contradicts "FIXED" at position 1'],
    [{ options: 'C,MULTIPLE' }, 'options, position 1: COMPRESS contradicts MULTIPLE'],
    [{ options: 'PAGE=1000' }, 'options, position 1: PAGE is one of 512'],
    [{ options: 'PAGE' }, 'options, position 1: "PAGE" needs a value'],
    [{ options: 'FIXED=1' }, 'options, position 1: "FIXED" takes no value'],
    [{ options: 'FIXED,,C' }, 'options, position 7: an item is empty'],
    [{ options: 'TEXT="a' }, 'options, position 1: cannot read "TEXT="a"'],
    [{ options: 'I=4' }, 'options, position 1: I takes a whole number from 1 to 8, not ""'],
    [
      { keys: ['start=1, lenght=10'] },
      'key 0, position 10: "lenght" is not among the words of ISAMC, did you mean LENGTH',
    ],
    [{ keys: ['START=1,LENGTH=2,D'] }, 'key 0, position 18: "D" is ambiguous: DUPS, DENSITY'],
    [
      { keys: ['START=1,LENGTH=2,DUPS,NODUPS'] },
      'key 0, position 23: "NODUPS" contradicts "DUPS" at position 18',
    ],
    [
      { keys: ['START=1,LENGTH=2,START=2'] },
      'key 0, position 18: "START" repeats "START" at position 1',
    ],
    [
      { keys: ['START=1,LENGTH=2,ORDER=D,ASCEND'] },
      'key 0, position 26: "ASCEND" contradicts "ORDER"',
    ],
    [
      { keys: ['START=1,LENGTH=2,TYPE=X'] },
      'key 0, position 18: "X" is not among the values of TYPE',
    ],
    [{ keys: ['LENGTH=2'] }, 'key 0, position 1: START is missing'],
    [{ keys: ['START=1:2,LENGTH=2'] }, 'key 0, position 11: LENGTH names 1 segments but START 2'],
    [
      { keys: [KEY, 'START=48,LENGTH=4'] },
      'key 1, position 1: segment 1 ends at 51, past the record of 50 bytes',
    ],
    [
      { keys: ['START=1,LENGTH=2,VALUE_NULL="x"'] },
      'key 0, position 18: VALUE_NULL without a NULL key',
    ],
    [
      { keys: ['START=1,LENGTH=2,NAME=a', 'START=1,LENGTH=2,NAME=A'] },
      'keys 0 and 1 are both named "A"',
    ],
    [{ keys: [] }, 'a file has 1 to 255 keys, not 0'],
    [{ recordSize: 0 }, 'recordSize is a whole number from 1 to 1048576, not 0'],
    [{ recordSize: 1.5 }, 'recordSize is a whole number from 1 to 1048576, not 1.5'],
  ];
  for (const [spec, message] of cases) {
    const said = errorOf(spec);
    t.ok(said.startsWith(message), `${JSON.stringify(spec)}: ${said}`);
  }
});
