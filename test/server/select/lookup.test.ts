// Partners of a record in another file: which key leads to them, which bytes it is asked for, and what is
// refused because it would pair everything with everything.

import t from 'tap';
import { planLookup } from '../../../server/select/lookup.js';
import { compileKey } from '../../../shared/record/collate.js';
import { compileRecordCodec } from '../../../shared/record/field-codec.js';
import type { FieldSpec, FileSpec, KeySpec } from '../../../shared/record/file-spec.js';

function specOf(fields: Omit<FieldSpec, 'offset'>[], keys: { [name: string]: string[] }): FileSpec {
  let offset = 0;
  const placed = fields.map((field): FieldSpec => {
    const at = offset;
    offset += field.length;
    return { ...field, offset: at };
  });
  const keyOf = ([name, parts]: [string, string[]]): KeySpec => ({
    name,
    segments: parts.map((part) => {
      const [, sign, type, field] = /^(-?)(\w+):(\w+)$/.exec(part) ?? [];
      const over = placed.find((each) => each.name === field);
      if (over === undefined) throw new TypeError(part);
      const order = sign === '-' ? 'descending' : 'ascending';
      return { offset: over.offset, length: over.length, type: type as 'alpha', order };
    }),
    dups: 'fifo',
    modifiable: true,
  });
  return {
    record: { size: offset, format: 'fixed' },
    keys: Object.entries(keys).map(keyOf),
    fields: placed,
    networkEncrypt: false,
    text: '',
    attributes: {},
  };
}

const ORDERS = specOf(
  [
    { name: 'customer', type: 'decimal', length: 6 },
    { name: 'amount', type: 'decimal', length: 8, precision: 2 },
    { name: 'seller', type: 'alpha', length: 10 },
    { name: 'day', type: 'date', length: 8, format: 'YYYYMMDD' },
    { name: 'count', type: 'integer', length: 2 },
    { name: 'short', type: 'date', length: 6, format: 'YYMMDD' },
    { name: 'flag', type: 'boolean', length: 1 },
  ],
  { CUSTOMER: ['decimal:customer'] },
);

const OTHER = {
  name: 'customers.ism',
  spec: specOf(
    [
      { name: 'id', type: 'decimal', length: 8 },
      { name: 'name', type: 'alpha', length: 5 },
      { name: 'since', type: 'date', length: 8, format: 'YYYYMMDD' },
      { name: 'number', type: 'unsigned', length: 1 },
      { name: 'price', type: 'decimal', length: 6, precision: 1 },
      { name: 'city', type: 'alpha', length: 5 },
      { name: 'open', type: 'boolean', length: 1 },
    ],
    {
      ID: ['decimal:id'],
      NAME: ['nocase:name', '-decimal:id'],
      SINCE: ['-alpha:since', 'unsigned:number'],
      NUMBER: ['unsigned:number'],
      PRICE: ['decimal:price'],
      OPEN: ['alpha:open'],
    },
  ),
};

type Values = { readonly [name: string]: unknown };
const encode = (spec: FileSpec, values: Values): Buffer => compileRecordCodec(spec).encode(values);

/** The prefix for an own record, and whether the other is among what it leads to, and a partner. */
function look(on: [string, string][], own: Values, other: Values) {
  const lookup = planLookup(ORDERS, OTHER, on);
  const mine = encode(ORDERS, own);
  const theirs = encode(OTHER.spec, other);
  const key = OTHER.spec.keys[lookup.key];
  const entry = key === undefined ? undefined : compileKey(key).ofRecord(theirs);
  const prefix = lookup.prefixOf(mine, 0, mine.length);
  const isFound =
    prefix !== undefined &&
    entry !== undefined &&
    Buffer.compare(entry.subarray(0, prefix.length), prefix) === 0;
  const isPartner = lookup.isPartner(mine, theirs, 0, theirs.length);
  return { key: key?.name, isFound, isPartner, hasPrefix: prefix !== undefined };
}

t.test('equal values meet across lengths, places and types', async (t) => {
  const cases: [[string, string][], Values, Values, string][] = [
    [[['customer', 'id']], { customer: 12 }, { id: 12 }, 'ID'],
    [[['customer', 'id']], { customer: -12 }, { id: -12 }, 'ID'],
    [[['amount', 'id']], { amount: '12.00' }, { id: 12 }, 'ID'],
    [[['amount', 'price']], { amount: '12.50' }, { price: '12.5' }, 'PRICE'],
    [[['customer', 'number']], { customer: 200 }, { number: 200 }, 'NUMBER'],
    [[['count', 'id']], { count: -7 }, { id: -7 }, 'ID'],
    [[['seller', 'name']], { seller: 'Ada' }, { name: 'Ada' }, 'NAME'],
    [[['seller', 'name']], { seller: '' }, { name: '' }, 'NAME'],
    [[['day', 'since']], { day: '20200131' }, { since: '20200131' }, 'SINCE'],
    [
      [
        ['customer', 'id'],
        ['seller', 'name'],
      ],
      { customer: 3, seller: 'Ada' },
      { id: 3, name: 'Ada' },
      'NAME',
    ],
    [[['rec(15,5)', 'rec(9,5)']], { seller: 'Ada' }, { name: 'Ada' }, 'NAME'],
  ];
  for (const [on, own, other, key] of cases) {
    const expected = { key, isFound: true, isPartner: true, hasPrefix: true };
    t.same(look(on, own, other), expected, JSON.stringify(on));
  }
});

t.test('other values do not', async (t) => {
  t.match(look([['customer', 'id']], { customer: 12 }, { id: 13 }), {
    isFound: false,
    isPartner: false,
  });
  t.match(
    look([['seller', 'name']], { seller: 'ADA' }, { name: 'Ada' }),
    { isFound: true, isPartner: false },
    'a nocase key leads to it, the values differ',
  );
});

t.test('a value the other field cannot hold has no partner', async (t) => {
  const cases: [[string, string][], Values][] = [
    [[['amount', 'id']], { amount: '12.50' }],
    [[['customer', 'number']], { customer: 256 }],
    [[['customer', 'number']], { customer: -1 }],
    [[['seller', 'name']], { seller: 'Longer' }],
    [[['day', 'since']], { day: '' }],
  ];
  for (const [on, own] of cases) t.equal(look(on, own, {}).hasPrefix, false, JSON.stringify(own));
  const lookup = planLookup(ORDERS, OTHER, [['customer', 'id']]);
  const junk = Buffer.alloc(ORDERS.record.size, 'x');
  t.equal(lookup.prefixOf(junk, 0, junk.length), undefined, 'no number, no partner');
  t.notOk(lookup.isPartner(junk, encode(OTHER.spec, {}), 0, OTHER.spec.record.size));
});

t.test('a record is looked up where it stands in a larger buffer', async (t) => {
  const lookup = planLookup(ORDERS, OTHER, [['customer', 'id']]);
  const mine = encode(ORDERS, { customer: 5 });
  const around = Buffer.concat([Buffer.alloc(9, 'x'), mine, Buffer.alloc(9, 'x')]);
  const end = 9 + mine.length;
  t.same(lookup.prefixOf(around, 9, end), lookup.prefixOf(mine, 0, mine.length));
  const prefix = lookup.prefixOf(mine, 0, mine.length);
  t.same(lookup.rangeOf(mine, 0, mine.length), {
    from: { prefix, side: 'before' },
    until: { prefix, side: 'after' },
  });
});

t.test('a join without a key is refused with the keys there are', async (t) => {
  const code = { code: 'ERR_INVOPER' };
  const keys = /it has ID \(id\), NAME \(name, id\), SINCE \(since, number\)/;
  const refuse = (on: [string, string][]) => () => planLookup(ORDERS, OTHER, on);
  t.throws(refuse([['seller', 'city']]), { ...code, message: /begins with city/ });
  t.throws(refuse([['seller', 'city']]), { message: keys });
  t.throws(
    refuse([
      ['customer', 'id'],
      ['day', 'since'],
    ]),
    { message: keys },
    'no key begins with both',
  );
  t.throws(refuse([]), { ...code, message: keys }, 'no cartesian product');
  t.throws(refuse([['customer', 'nosuch']]), { message: /no field "nosuch"/ });
});

t.test('fields of different kinds are refused', async (t) => {
  const message = /a join compares fields of one kind/;
  for (const on of [
    ['customer', 'name'],
    ['seller', 'id'],
    ['short', 'since'],
    ['flag', 'open'],
  ] as [string, string][]) {
    t.throws(() => planLookup(ORDERS, OTHER, [on]), { code: 'ERR_INVOPER', message }, on.join());
  }
});

t.test('a key that leaves out no record is taken before one that does', async (t) => {
  const [first] = OTHER.spec.keys;
  if (first === undefined) throw new TypeError('no key');
  const spec: FileSpec = {
    ...OTHER.spec,
    keys: [{ ...first, nullKey: { kind: 'replicate' } }, first],
  };
  t.equal(planLookup(ORDERS, { name: 'x', spec }, [['customer', 'id']]).key, 1);
});
