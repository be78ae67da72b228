// What may stand beside a file and be used: the log of somebody who may write the file.

import { chmodSync, chownSync, copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createLmdbEngine } from '../../../../server/storage/lmdb/engine.js';
import { isOfTrusted, logPath } from '../../../../server/storage/lmdb/paths.js';
import { insertRow, makeFile, rowSpec } from '../../../conformance/storage-rows.js';
import { temporaryDirectory } from '../../../fixture/temporary-directory.js';

const OWNER = 100;
const US = 200;
const STRANGER = 300;
const GROUP = 10;
const OTHERS = 20;

t.test('whose log is used', async (t) => {
  const cases: readonly [
    what: string,
    isTrusted: boolean,
    log: { uid: number; gid?: number },
    modes?: { file?: number; directory?: number },
  ][] = [
    ['the owner', true, { uid: OWNER }],
    ['root', true, { uid: 0 }],
    ['ourselves', true, { uid: US }],
    ['a stranger', false, { uid: STRANGER }],
    [
      'a stranger with the group of a file of its owner alone',
      false,
      { uid: STRANGER, gid: GROUP },
    ],
    ['one of the group that writes', true, { uid: STRANGER, gid: GROUP }, { file: 0o660 }],
    ['one of another group', false, { uid: STRANGER }, { file: 0o660 }],
    [
      'the group may come from a directory anybody writes to',
      false,
      { uid: STRANGER, gid: GROUP },
      { file: 0o660, directory: 0o2777 },
    ],
    ['a file anybody writes to', true, { uid: STRANGER }, { file: 0o666 }],
  ];
  for (const [what, isTrusted, { uid, gid = OTHERS }, modes] of cases) {
    const { file: fileMode = 0o640, directory: directoryMode = 0o2770 } = modes ?? {};
    const beside = {
      file: { uid: OWNER, gid: GROUP, mode: fileMode },
      directory: { uid: OWNER, gid: GROUP, mode: directoryMode },
      us: US,
    };
    t.equal(isOfTrusted({ uid, gid, mode: 0o600 }, beside), isTrusted, what);
    t.ok(isOfTrusted({ uid, gid, mode: 0o600 }, { ...beside, us: undefined }), 'without numbers');
  }
});

// Whoever may put files into the directory of the data could put a valid log of his own there, made from a copy of
// the file: records would go into it, for him to read.
t.test(
  'a log that somebody else put there is neither read nor written',
  {
    skip: process.geteuid?.() === 0 ? false : 'needs to be root',
  },
  async (t) => {
    const directory = temporaryDirectory(t);
    const path = join(directory, 'orders.ism');
    const engine = createLmdbEngine();
    t.teardown(() => engine.close());
    const file = await makeFile(engine, path, rowSpec());
    await insertRow(file, { id: 'one' });
    t.ok(existsSync(logPath(path)), 'a file that is written has a log');
    const kept = join(directory, 'kept');
    copyFileSync(logPath(path), kept);
    await file.close();
    chmodSync(path, 0o640);
    copyFileSync(kept, logPath(path));
    chownSync(logPath(path), STRANGER, STRANGER);
    const before = readFileSync(logPath(path));
    const refused = { code: 'ERR_PROTEC', message: /belongs to user 300.*move it away.*chown/ };
    const again = async () => {
      const opened = await engine.open(path);
      try {
        await insertRow(opened, { id: 'two' });
      } finally {
        await opened.close();
      }
    };
    await t.rejects(again(), refused);
    t.strictSame(readFileSync(logPath(path)), before);
    chownSync(logPath(path), 0, 0);
    await again();
  },
);
