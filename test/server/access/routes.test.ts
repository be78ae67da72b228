// One gate for every remote route: each verb of the protocol has a row here that says whether it names a file, and
// each that does is sent over a plain and an encrypted connection to a daemon whose gate writes down what it is
// asked. A verb without a row fails the test.

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Connection, connect } from '../../../client/index.js';
import type { Caller, Gate, PlaceInQuestion } from '../../../server/access/gate.js';
import type { Action } from '../../../server/access/rights.js';
import { resolveOptions } from '../../../server/config/daemon-options.js';
import { Daemon } from '../../../server/daemon.js';
import { createLockManager } from '../../../server/lock/create-lock-manager.js';
import { createLmdbLockStores } from '../../../server/lock/lmdb-lock-store.js';
import { createLog } from '../../../server/observe/log.js';
import { createLmdbEngine } from '../../../server/storage/lmdb/engine.js';
import { RsyndError } from '../../../shared/base/error.js';
import type { OpenMode } from '../../../shared/protocol/message.js';
import { REQUEST_VERBS, type RequestVerb } from '../../../shared/protocol/verb.js';
import { writeCertificate } from '../../fixture/certificate.js';
import { departmentFile, makeStaffFiles } from '../../fixture/staff.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

/** What a verb has to do with files: names one, uses the one its channel has open, or neither. */
const ROUTES: { readonly [verb in RequestVerb]: 'names a file' | 'open channel' | 'no file' } = {
  hello: 'no file',
  login: 'no file',
  ping: 'no file',
  credit: 'no file',
  cancel: 'no file',
  open: 'names a file',
  create: 'names a file',
  close: 'open channel',
  isinfo: 'open channel',
  read: 'open channel',
  reads: 'open channel',
  find: 'open channel',
  get: 'open channel',
  store: 'open channel',
  storeMany: 'open channel',
  write: 'open channel',
  delete: 'open channel',
  unlock: 'open channel',
  scan: 'open channel',
  select: 'open channel',
};

/** How a route is asked for, and the action the gate must be asked about. */
const NAMING: readonly (readonly [
  string,
  Action,
  (c: Connection, name: string) => Promise<unknown>,
])[] = [
  ...(['input', 'update', 'output', 'append'] satisfies OpenMode[]).map(
    (mode) =>
      [
        `open ${mode}`,
        mode === 'input' ? 'read' : mode === 'output' ? 'create' : 'update',
        (c: Connection, name: string) => c.open(name, { mode, definition: departmentFile }),
      ] as const,
  ),
  ['create', 'create', (c, name) => c.isamc(name, departmentFile)],
];

interface Asked {
  readonly caller: Caller;
  readonly place: PlaceInQuestion;
  readonly action: Action;
}

/** A daemon whose gate refuses everything, and writes down what it refused. */
async function recordingDaemon(t: Test, data: string, encrypt: boolean) {
  const asked: Asked[] = [];
  let opened = 0;
  const engine = createLmdbEngine();
  const gate: Gate = {
    permit(caller, place, action) {
      asked.push({ caller, place, action });
      throw new RsyndError('ERR_PROTEC', 'the recording gate', { file: place.name });
    },
    admit: () => undefined,
  };
  const { bundle, ca } = await writeCertificate(data);
  const options = resolveOptions(
    { port: 0, data, n: true, u: 'shop', encrypt, cert: bundle },
    {},
    {},
  );
  const daemon = await Daemon.start(options, {
    engine: new Proxy(engine, {
      get: (target, name) => {
        if (name !== 'close') opened++;
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    }),
    locks: createLockManager(createLmdbLockStores()),
    log: createLog({ level: 'silent' }),
    software: 'test',
    gate,
    environment: {},
  });
  t.teardown(() => daemon.stop());
  const connection = await connect(`localhost:${daemon.address.port}`, {
    encrypt,
    tls: encrypt ? { ca } : {},
  });
  t.teardown(() => connection.close());
  return { asked, connection, opened: () => opened };
}

t.test('every verb has a row, and those that name a file are the ones tried', async (t) => {
  t.strictSame(Object.keys(ROUTES).sort(), Object.keys(REQUEST_VERBS).sort());
  const naming = Object.entries(ROUTES).filter(([, kind]) => kind === 'names a file');
  t.strictSame(naming.map(([verb]) => verb).sort(), ['create', 'open']);
});

for (const encrypt of [false, true]) {
  t.test(`the same gate answers on each route, ${encrypt ? 'encrypted' : 'plain'}`, async (t) => {
    const data = temporaryDirectory(t, 'sub');
    await makeStaffFiles(data);
    const { asked, connection, opened } = await recordingDaemon(t, data, encrypt);
    const names = ['department', 'missing', 'sub/missing', 'nowhere/missing'];
    for (const [route, action, ask] of NAMING) {
      const told: string[] = [];
      for (const name of names) {
        const before = asked.length;
        const refused = await ask(connection, name).then(
          () => 'let in',
          (error) => `${error.code} ${error.message}`.replaceAll(name, 'NAME'),
        );
        told.push(refused);
        t.equal(asked.length, before + 1, `${route} of ${name} asks the gate once`);
        const last = asked.at(-1);
        t.equal(last?.action, action);
        t.equal(last?.place.name, name);
        t.match(last?.caller, { user: 'shop', route: { kind: 'remote', encrypted: encrypt } });
        const path = name.startsWith('nowhere') ? undefined : join(data, `${name}.ism`);
        t.equal(last?.place.path, path, 'where it really is');
      }
      t.strictSame([...new Set(told)].length, 1, `${route}: one answer whether or not it is there`);
      t.match(told[0], /^ERR_PROTEC/);
    }
    t.equal(opened(), 0, 'and nothing was looked at');
  });
}
