import t from 'tap';
import { RsyndError } from '../../../shared/base/error.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import {
  fieldsOf,
  keysOf,
  parseRepository,
  structureNames,
  structureSize,
  withFields,
} from '../../../shared/record/repository.js';

const SHOP = `
; a schema of a shop
Format PHONE   Type NUMERIC   "XXX-XXXX"   Justify RIGHT

Enumeration COLOUR
   Description "colours"
   Members RED 0, BLUE, GREEN 7, YELLOW

Template NUMBER   Type DECIMAL   Size 6
   Description "any number"
Template CUSTOMER_NUMBER   Parent NUMBER
   Prompt "Customer"   User Text "Size 99"   Format PHONE

Structure ADDRESS   DBL ISAM
   Description "where somebody lives"

Group STREET   Type ALPHA   Dimension 2
   Field LINE   Type ALPHA   Size 10
Endgroup
Field CITY   Type ALPHA   Size 12
Field FLOOR   Type INTEGER   Size 1   Coerced Type BYTE

Structure ORDER   DBL ISAM
   Description "an order"

Field NUMBER   Template NUMBER
   Long Description
      "SAMPLE=1;"
      "Type ALPHA"
   Report Just LEFT   Input Just LEFT
   Required
Field CUSTOMER   Template CUSTOMER_NUMBER   Size 8
   Selection List 1 2 2  Entries "Annual", "Perenn"
   Enumerated 6 1 1
Field TOTAL   Type DECIMAL   Size 9   Precision 2
   Negative
Field ORDERED   Type DATE   Size 8   Stored YYYYMMDD
   Coerced Type NULLABLE_DATETIME
   Null Allowed
Field AT   Type TIME   Size 4   Stored HHMM
Field PHOTO   Type ALPHA   Size 5   Stored BINARY
Field STAMP   Type USER   Size 14   Stored DATE   User Type "^CLASS^=YYYYMMDDHHMMSS"
Field PAINT   Type ENUM   Size 4   Enum COLOUR
Field PAID   Type BOOLEAN   Size 4
Field SEQ   Type AUTOSEQ   Size 8
   Readonly
   Nonull
Field TOUCHED   Type AUTOTIME   Size 8
Field PRICES   Type DECIMAL   Size 5   Precision 2   Dimension 2:3
Group SHIP   Reference ADDRESS   Type ALPHA   Dimension 2
Group BILL   Type ALPHA   Prefix B_
   Field NAME   Type ALPHA   Size 10
   Group INNER   Type ALPHA   Size 6
      Field CODE   Type ALPHA   Size 4
   Endgroup
Endgroup
Field HOME   Type STRUCT   Size 33   Struct ADDRESS
Field ORDERED_YEAR   Type DECIMAL   Size 4   Overlay ORDERED
Field ORDERED_DAY   Type DECIMAL   Size 2   Overlay ORDERED:6
Field SIZE   Type ALPHA   Size 3

Tag FIELD 1 SIZE EQ "ABC"
Key NUMBER   ACCESS   Order ASCENDING   Dups NO
   Segment FIELD   NUMBER  SegType DECIMAL
Key BY_DATE   ACCESS   Order DESCENDING   Dups YES   Insert END   Modifiable YES
   Krf 002
   Description "by date"
   Segment FIELD   ORDERED  SegType ALPHA  SegOrder ASCENDING
   Segment FIELD   CUSTOMER
Key BY_SIZE   ACCESS   Null NONREPLICATING Value "x"   Density 60   Krf 001
   Segment FIELD   SIZE
   Segment FIELD   HOME.CITY
Key BY_SEQ   ACCESS   Order ASCENDING
   Segment FIELD   SEQ
Key TO_CUSTOMER   FOREIGN
   Segment LITERAL   "C"
   Segment EXTERNAL   CUSTOMER  NUMBER
Relation  1   ORDER TO_CUSTOMER   CUSTOMER NUMBER

Alias AL_ORDER   Structure ORDER
   Alias AL_NUMBER   Field NUMBER

File ORDERS   DBL ISAM   "DAT:orders.ism"
   Description "orders"
   RecType VARIABLE   Compress   Static RFA
   File Text "hello"
   Assign ORDER, ADDRESS ODBC Name ADDR
`;

const shop = parseRepository(SHOP, { fileName: 'shop.scm' });

function errorOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof RsyndError && error.code === 'ERR_BADDEF') {
      return error.message.replace('Bad file definition: ', '');
    }
    throw error;
  }
  return 'no error';
}

t.test(
  'parseRepository() reads structures, files, enumerations and what else there is',
  async (t) => {
    t.strictSame(structureNames(shop), ['ADDRESS', 'ORDER']);
    t.strictSame(
      shop.enumerations.get('COLOUR')?.members.map(({ name, value }) => `${name} ${value}`),
      ['RED 0', 'BLUE 1', 'GREEN 7', 'YELLOW 8'],
    );
    t.equal(shop.formats.get('PHONE')?.picture, 'XXX-XXXX');
    const file = shop.files.get('ORDERS');
    t.equal(file?.path, 'DAT:orders.ism');
    t.strictSame(file?.structures, ['ORDER', 'ADDRESS']);
    const order = shop.structures.get('ORDER');
    t.equal(order?.description, 'an order');
    t.strictSame(order?.tags[0]?.words, ['FIELD', '1', 'SIZE', 'EQ', 'ABC']);
    t.strictSame(order?.relations, [
      { number: 1, key: 'TO_CUSTOMER', toStructure: 'CUSTOMER', toKey: 'NUMBER' },
    ]);
    t.strictSame(shop.aliases.get('AL_ORDER')?.fields, [{ name: 'AL_NUMBER', field: 'NUMBER' }]);
  },
);

t.test(
  'fieldsOf() lays fields out with templates, groups, structs, arrays and overlays',
  async (t) => {
    const described = fieldsOf(shop, 'order').map((field) => {
      const { name, type, offset, length, precision, format, dimension, overlay } = field;
      const extras = [precision, format, dimension && `[${dimension}]`, overlay && 'overlay'];
      return [name, type, offset, length, ...extras.filter((extra) => extra !== undefined)].join(
        ' ',
      );
    });
    t.strictSame(described, [
      'NUMBER decimal 0 6',
      'CUSTOMER decimal 6 8',
      'TOTAL decimal 14 9 2',
      'ORDERED date 23 8 YYYYMMDD',
      'AT time 31 4 HHMM',
      'PHOTO binary 35 5',
      'STAMP alpha 40 14',
      'PAINT integer 54 4',
      'PAID boolean 58 4',
      'SEQ integer 62 8',
      'TOUCHED integer 70 8',
      'PRICES decimal 78 5 2 [2,3]',
      'SHIP[1].STREET.LINE alpha 108 10 [2]',
      'SHIP[1].CITY alpha 128 12',
      'SHIP[1].FLOOR unsigned 140 1',
      'SHIP[2].STREET.LINE alpha 141 10 [2]',
      'SHIP[2].CITY alpha 161 12',
      'SHIP[2].FLOOR unsigned 173 1',
      'BILL.B_NAME alpha 174 10',
      'BILL.B_INNER.CODE alpha 184 4',
      'HOME.STREET.LINE alpha 190 10 [2]',
      'HOME.CITY alpha 210 12',
      'HOME.FLOOR unsigned 222 1',
      'ORDERED_YEAR decimal 23 4 overlay',
      'ORDERED_DAY decimal 29 2 overlay',
      'SIZE alpha 223 3',
    ]);
    t.equal(structureSize(shop, 'AL_ORDER'), 226, 'an alias is as good as the name');
    t.equal(fieldsOf(shop, 'ORDER')[1]?.description, 'any number', 'the template describes it');
  },
);

t.test('keysOf() gives access keys by number with their defaults', async (t) => {
  t.strictSame(keysOf(shop, 'ORDER'), [
    {
      name: 'NUMBER',
      segments: [{ offset: 0, length: 6, type: 'decimal', order: 'ascending' }],
      dups: 'none',
      modifiable: false,
    },
    {
      name: 'BY_SIZE',
      segments: [
        { offset: 223, length: 3, type: 'alpha', order: 'ascending' },
        { offset: 210, length: 12, type: 'alpha', order: 'ascending' },
      ],
      dups: 'lifo',
      modifiable: false,
      nullKey: { kind: 'noreplicate', value: 'x' },
      density: 60,
    },
    {
      name: 'BY_DATE',
      segments: [
        { offset: 23, length: 8, type: 'alpha', order: 'ascending' },
        { offset: 6, length: 8, type: 'decimal', order: 'descending' },
      ],
      dups: 'fifo',
      modifiable: true,
    },
    {
      name: 'BY_SEQ',
      segments: [{ offset: 62, length: 8, type: 'sequence', order: 'ascending' }],
      dups: 'lifo',
      modifiable: false,
    },
  ]);
});

t.test('parseRepository() names line and column of a broken statement', async (t) => {
  const structure = 'Structure S DBL ISAM\n';
  const cases: readonly (readonly [text: string, message: string])[] = [
    ['Field X Type ALPHA Size 3', 'line 1, column 1: Field stands before any Structure'],
    [
      'Strukture S DBL ISAM',
      'line 1, column 1: "Strukture" begins no statement, did you mean STRUCTURE',
    ],
    [
      `${structure}Field A Type ALPHA Size 1\nFeild X Type ALPHA Size 3`,
      'line 3, column 1: "Feild" begins no statement, did you mean FIELD',
    ],
    [
      `${structure}Group G Type ALPHA\n   Feild X Type ALPHA Size 3\nEndgroup`,
      'line 3, column 4: "Feild" begins no statement, did you mean FIELD',
    ],
    [`${structure}Field X Type ALFA Size 3`, 'line 2, column 14: Type is one of ALPHA'],
    [`${structure}Field X Type ALPHA Size`, 'line 2, column 20: Size is missing'],
    [
      `${structure}Field X Type ALPHA Size many`,
      'line 2, column 25: Size is a whole number of at least 1, not "many"',
    ],
    [`${structure}Field X Type ALPHA`, 'line 2, column 1: field X has no Size'],
    [`${structure}Field X Size 3`, 'line 2, column 1: field X has no Type'],
    [`${structure}Field X Type ALPHA Size 3 Size 4`, 'line 2, column 27: Size is stated twice'],
    [
      `${structure}Field X Type ALPHA Size 3 "what"`,
      'line 2, column 27: the string "what" belongs to no attribute',
    ],
    [
      `${structure}Field X Type STRUCT Size 3`,
      'line 2, column 1: field X is of type STRUCT but names no Struct',
    ],
    [
      `${structure}Field X Type ALPHA Size 3\n   Description "open`,
      'line 3, column 16: " opens a string nobody closes',
    ],
    [
      `${structure}Group G Type ALPHA\nField X Type ALPHA Size 3`,
      'line 2, column 1: group G has no Endgroup',
    ],
    [
      `${structure}Group G Type ALPHA\nStructure T DBL ISAM`,
      'line 2, column 1: group G has no Endgroup',
    ],
    [`${structure}Endgroup`, 'line 2, column 1: Endgroup without a Group'],
    ['Structure S ISAM', 'line 1, column 13: the file type of the structure is missing'],
    [`${structure}Structure S DBL ISAM`, 'line 2, column 1: Structure S is there twice'],
    [
      `${structure}Key K PRIMARY`,
      'line 2, column 7: the type of the key is one of ACCESS, FOREIGN, not "PRIMARY"',
    ],
    [`${structure}Key K ACCESS`, 'line 2, column 1: key K has no Segment'],
    [
      `${structure}Key K ACCESS Segment WHAT X`,
      'line 2, column 22: a Segment is FIELD, LITERAL, EXTERNAL or RECORD NUMBER',
    ],
    ['Template T Size 3', 'line 1, column 1: template T has neither Type nor Parent'],
    ['Enumeration E Members', 'line 1, column 15: the name of a member is missing'],
    ['File F DBL ISAM', 'line 1, column 12: the path of the file is missing'],
  ];
  for (const [text, message] of cases) {
    const said = errorOf(() => parseRepository(text)).replace('repository ', '');
    t.ok(said.startsWith(message), `${JSON.stringify(text)}: ${said}`);
  }
});

t.test('fieldsOf() and keysOf() refuse what cannot be laid out', async (t) => {
  const structure = 'Structure S DBL ISAM\n';
  const cases: readonly (readonly [text: string, message: string])[] = [
    ['Field X Template NOWHERE', 'field X has template NOWHERE, which is not there'],
    [
      'Field X Type STRUCT Size 3 Struct NOWHERE',
      'field X refers to structure NOWHERE, which is not there',
    ],
    ['Group G Reference S Type ALPHA', 'group G is part of itself'],
    [
      'Group G Type ALPHA Size 2\n Field X Type ALPHA Size 3\nEndgroup',
      'group G has Size 2, but its members take 3 bytes',
    ],
    ['Field X Type ALPHA Size 3 Overlay Y', 'field X lies over Y, which is not there'],
    ['Field X Type DATE Size 6 Stored YYYYMMDD', 'field X is YYYYMMDD, which is 8 bytes, not 6'],
    ['Field X Type DATE Size 8 Stored DDMMYYYY', 'field X is a date Stored DDMMYYYY'],
    ['Field X Type DECIMAL Size 3 Precision 4', 'field X has Precision 4 in 3 digits'],
    ['Field X Type INTEGER Size 9', 'field X is integer of 9 bytes, at most 8'],
    [
      'Field X Type ALPHA Size 1\nField X Type ALPHA Size 1',
      'two fields get the name X; give a group a Prefix',
    ],
    [
      'Field X Type ALPHA Size 1 Dimension 9\nKey K ACCESS Segment FIELD Y',
      'key K has field Y, which the structure has not',
    ],
    ['Key K ACCESS Segment RECORD NUMBER', 'key K has a segment of kind record number'],
    [
      'Group G Type ALPHA Dimension 5000\nField A Type ALPHA Size 1\nField B Type ALPHA Size 1\nEndgroup',
      'a file has at most 4096 fields',
    ],
  ];
  for (const [text, message] of cases) {
    const repository = parseRepository(structure + text);
    const said = errorOf(() => [fieldsOf(repository, 'S'), keysOf(repository, 'S')]);
    t.ok(said.includes(message), `${text}: ${said}`);
  }
  const loop = parseRepository(
    `Template A Parent B\nTemplate B Parent A\n${structure}Field X Template A`,
  );
  t.match(
    errorOf(() => fieldsOf(loop, 'S')),
    'which is its own parent',
  );
  t.match(
    errorOf(() => fieldsOf(shop, 'ORDRE')),
    'has no structure ORDRE, did you mean ORDER',
  );
});

t.test('withFields() takes fields that fill the record exactly', async (t) => {
  const fields = fieldsOf(shop, 'ADDRESS');
  const specOf = (size: number, format: 'fixed' | 'variable'): FileSpec => ({
    record: { size, format },
    keys: [],
    fields: [],
    networkEncrypt: false,
    text: '',
    attributes: {},
  });
  t.strictSame(withFields(specOf(33, 'fixed'), fields).fields, fields);
  t.strictSame(withFields(specOf(40, 'variable'), fields).fields, fields);
  const said = errorOf(() => withFields(specOf(40, 'fixed'), fields));
  t.match(said, 'the fields take 33 bytes, but the record (fixed) has 40');
});
