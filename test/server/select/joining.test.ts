// Joins: each record beside its partners in another file, found by a key of that file.

import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { FileSpec } from '../../../shared/record/file-spec.js';
import type { Join } from '../../../shared/select/query.js';
import {
  ask,
  begin,
  makeOrderRows,
  makeOrders,
  orderText,
  until,
} from '../../model/select-harness.js';
import { plainSpec } from '../../model/session-harness.js';

const ENGINES = ['lmdb', 'memory'] as const;

/** Cities: a state, a number, a name; several to a state, none to some. */
const citySpec: FileSpec = plainSpec({
  record: { size: 12, format: 'fixed' },
  keys: [
    {
      name: 'CITY',
      segments: [
        { offset: 0, length: 2, type: 'alpha', order: 'ascending' },
        { offset: 2, length: 4, type: 'decimal', order: 'ascending' },
      ],
      dups: 'none',
      modifiable: false,
    },
  ],
  fields: [
    { name: 'state', type: 'alpha', offset: 0, length: 2 },
    { name: 'number', type: 'decimal', offset: 2, length: 4 },
    { name: 'name', type: 'alpha', offset: 6, length: 6 },
  ],
});

const cityText = (state: string, number: number): string =>
  `${state}${String(number).padStart(4, '0')}city${number % 10} `;

/** How many cities a state has. */
const CITIES = { CA: 3, OR: 1, NV: 700 } as const;

const orders = makeOrderRows(40);
const on: Join['on'] = [['state', 'state']];

const citiesOf = (state: string): string[] => {
  const count = state === 'CA' || state === 'OR' || state === 'NV' ? CITIES[state] : 0;
  return Array.from({ length: count }, (_, index) => cityText(state, index + 1));
};

async function makeBoth(t: Test, engine: (typeof ENGINES)[number]) {
  const file = await makeOrders(t, engine, orders);
  const { session } = file;
  const name = join(file.directory, 'cities.ism');
  await session.call({ verb: 'create', name, spec: citySpec }, 2);
  await session.open(name, {}, 2);
  const records = Object.keys(CITIES)
    .flatMap(citiesOf)
    .map((text) => Buffer.from(text));
  await session.call({ verb: 'storeMany', records }, 2);
  return file;
}

for (const engine of ENGINES) {
  t.test(`${engine}: pairs each record with its partners`, async (t) => {
    const { session } = await makeBoth(t, engine);
    const paired = (kind: Join['kind'], isWanted: (city: string) => boolean = () => true) =>
      orders.flatMap((order): [string, string][] => {
        const cities = citiesOf(order.state).filter(isWanted);
        const lone = kind === 'left' && cities.length === 0 ? [''] : cities;
        return lone.map((city) => [orderText(order), city]);
      });
    for (const kind of ['inner', 'left'] as const) {
      const asked = await ask(session, { using: 0, join: { kind, channel: 2, on } });
      t.equal(asked.outcome, 'selected');
      t.strictSame(asked.pairs, paired(kind), kind);
      t.equal(asked.selected.records, paired(kind).length);
      t.equal(asked.data[0]?.recordLength, 0);
      const where = 'number > 2';
      const some = await ask(session, { using: 0, join: { kind, channel: 2, on, where } });
      t.strictSame(
        some.pairs,
        paired(kind, (city) => Number(city.slice(2, 6)) > 2),
        `${kind} with a condition on the other`,
      );
      const few = await ask(session, { using: 0, limit: 9, join: { kind, channel: 2, on } });
      t.strictSame(few.pairs, paired(kind).slice(0, 9), 'a limit is of pairs');
      const counting = { using: 0, join: { kind, channel: 2, on } };
      const counted = await ask(session, counting, { action: 'count' });
      t.equal(counted.selected.records, paired(kind).length);
    }
  });

  t.test(`${engine}: orders, projects and resumes pairs`, async (t) => {
    const { session } = await makeBoth(t, engine);
    const inner: Join = { kind: 'inner', channel: 2, on };
    const where = "state <> 'NV'";
    const byTotal = orders
      .filter(({ state }) => state !== 'NV')
      .sort((a, b) => b.total - a.total)
      .flatMap((order) =>
        citiesOf(order.state).map((city): [string, string] => [orderText(order).slice(0, 6), city]),
      );
    const query = { where, orderBy: ['-total'], fields: ['id'], join: inner };
    t.strictSame((await ask(session, query)).pairs, byTotal);
    t.strictSame((await ask(session, { ...query, limit: 5 })).pairs, byTotal.slice(0, 5));
    const whole = { where, using: 0, join: inner };
    const wanted = (await ask(session, whole)).pairs;
    const got: [string, string][] = [];
    for (let resume: Uint8Array | undefined; ; ) {
      const leg = await ask(session, { ...whole, maxScan: 3, ...(resume && { resume }) });
      got.push(...leg.pairs);
      resume = leg.selected.stopped?.resume;
      if (resume === undefined) break;
    }
    t.strictSame(got, wanted);
  });

  t.test(`${engine}: ends with either file, and in the middle of many partners`, async (t) => {
    const { session } = await makeBoth(t, engine);
    const query = { where: "state = 'NV'", join: { kind: 'inner', channel: 2, on } } as const;
    const asked = begin(session, query, { credit: 1 });
    await until(() => asked.replies.length > 0);
    asked.cancel();
    t.equal((await asked.ended()).outcome, 'ERR_ABORTED');
    const other = begin(session, query, { credit: 0 });
    t.equal(await session.tell({ verb: 'close' }, 2), 'done');
    t.equal(other.outcome, 'ERR_ABORTED');
    t.equal((await ask(session, query)).outcome, 'ERR_NOOPEN');
    t.strictSame(session.unexpected, []);
  });

  t.test(`${engine}: a join that no key of the other serves is refused`, async (t) => {
    const { session } = await makeBoth(t, engine);
    const join: Join = { kind: 'inner', channel: 2, on: [['note', 'name']] };
    t.equal((await ask(session, { join })).outcome, 'ERR_INVOPER');
    t.equal(
      (await ask(session, { join: { ...join, where: 'nothing = 1' } })).outcome,
      'ERR_INVOPER',
    );
  });
}
