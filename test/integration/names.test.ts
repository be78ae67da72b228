// Names that must not reach outside the data root, over a real connection.

import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { connect } from '../../client/index.js';
import { startDaemon } from '../fixture/daemon.js';
import { departmentFile, makeStaffFiles } from '../fixture/staff.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

t.test('names that lead out of the root are one error, and nothing is touched', async (t) => {
  const home = temporaryDirectory(t);
  const data = join(home, 'data');
  const outside = join(home, 'outside');
  mkdirSync(data);
  mkdirSync(outside);
  await makeStaffFiles(outside);
  writeFileSync(join(outside, 'secret.txt'), 'secret');
  symlinkSync(join(outside, 'department.ism'), join(data, 'link.ism'));
  symlinkSync(outside, join(data, 'way'));
  const server = await startDaemon(t, ['-d', data, '-n', '-u', 'demo']);
  await using connection = await connect(server.server, { encrypt: false });
  const names = [
    '../outside/department.ism',
    '../x',
    'a/../../outside/department',
    join(outside, 'department.ism'),
    '/etc/passwd',
    'link',
    'way/department',
    'nul\0byte',
    'line\nbreak',
    'x'.repeat(10 * 1024),
    '.rsynd-locks',
    'department.ism-lock',
    'back\\slash',
    'DAT:department',
    '',
    '.',
    '..',
  ];
  for (const name of names) {
    const shown = JSON.stringify(name.slice(0, 30));
    await t.rejects(connection.open(name), { code: 'ERR_FILSPC' }, `open ${shown}`);
    await t.rejects(
      connection.open(name, { mode: 'output', definition: departmentFile }),
      { code: 'ERR_FILSPC' },
      `replace ${shown}`,
    );
    await t.rejects(
      connection.isamc(name, departmentFile),
      { code: 'ERR_FILSPC' },
      `make ${shown}`,
    );
  }
  t.notOk(existsSync(join(home, 'x.ism')), 'nothing was made outside');
  await connection.isamc('fine', departmentFile);
  await using fine = await connection.open('fine');
  t.equal(await fine.isinfo('NUMRECS'), 0, 'the session lives on');
});
