// Users as they meet the running program: who gets in, what he may do, and what becomes of him when the
// administrator changes his mind.

import { readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type ConnectOptions, connect } from '../../client/index.js';
import { hashPassword } from '../../server/access/password-hash.js';
import { type Grant, ROLES, type Role } from '../../server/access/rights.js';
import {
  addUserEntry,
  changeUserEntry,
  readUsers,
  removeUserEntry,
} from '../../server/access/user-store.js';
import { StateDirectory } from '../../server/state/state-directory.js';
import { runProgram, startDaemon } from '../fixture/daemon.js';
import { departmentFile, makeStaffFiles } from '../fixture/staff.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const PASSWORD = 'correct horse';
const MAIN = 'dist/server/main.js';

async function ground(t: Test, users: Readonly<Record<string, readonly Grant[]>>) {
  const data = temporaryDirectory(t, 'sub');
  await makeStaffFiles(data);
  const state = new StateDirectory(data);
  const password = await hashPassword(PASSWORD);
  for (const [name, grants] of Object.entries(users)) {
    await addUserEntry(state, name, { password, grants });
  }
  const as = (user: string, given = PASSWORD): ConnectOptions => ({
    user,
    password: given,
    encrypt: false,
  });
  return { data, state, as };
}

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'fine',
    (error) => String(error.code),
  );

t.test('in secure mode a user comes with his password and does what he may', async (t) => {
  const all = Object.fromEntries(ROLES.map((role) => [role, [{ role, files: 'department' }]]));
  const { data, as } = await ground(t, { ...all, none: [] });
  const server = await startDaemon(t, ['-d', data]);
  const expected: { readonly [user in Role | 'none']: readonly string[] } = {
    read: ['input'],
    update: ['input', 'update', 'append'],
    create: ['output', 'isamc'],
    admin: ['input', 'update', 'append', 'output', 'isamc'],
    none: [],
  };
  for (const user of [...ROLES, 'none'] as const) {
    await using connection = await connect(server.server, as(user));
    for (const mode of ['input', 'update', 'append', 'output'] as const) {
      const opened = connection.open('department', { mode, definition: departmentFile });
      const code = await codeOf(opened.then((channel) => channel.close()));
      t.equal(code, expected[user].includes(mode) ? 'fine' : 'ERR_PROTEC', `${user}: ${mode}`);
    }
    const made = await codeOf(connection.isamc('department', departmentFile));
    t.equal(made, expected[user].includes('isamc') ? 'ERR_REPLAC' : 'ERR_PROTEC', `${user}: isamc`);
    t.equal(await codeOf(connection.open('employee')), 'ERR_PROTEC', 'of another file nothing');
  }
  await using reader = await connect(server.server, as('read'));
  await t.rejects(reader.open('department.ism', { mode: 'update' }), {
    message:
      /^Protection violation: user read has not the right update .*rsynctl user grant read update 'department'$/,
  });
});

t.test('who may not use a file does not learn whether it is there', async (t) => {
  const { data, as } = await ground(t, { ann: [{ role: 'admin', files: 'mine/**' }] });
  symlinkSync('sub', join(data, 'alias'));
  symlinkSync('/etc', join(data, 'out'));
  const server = await startDaemon(t, ['-d', data]);
  await using connection = await connect(server.server, as('ann'));
  const names = ['department', 'missing', 'sub/x', 'nosub/x', 'alias/x', 'out/passwd', 'out/no/x'];
  for (const name of names) {
    t.equal(await codeOf(connection.open(name)), 'ERR_PROTEC', name);
    t.equal(await codeOf(connection.isamc(name, departmentFile)), 'ERR_PROTEC', name);
  }
  t.equal(await codeOf(connection.open('mine/x')), 'ERR_FNF', 'of his own he is told');
});

t.test('a wrong login is refused, logged, and not by its password', async (t) => {
  const { data, as } = await ground(t, { ann: [] });
  const server = await startDaemon(t, ['-d', data]);
  const refused = {
    code: 'ERR_BADUSER',
    message: /^Bad username, login rejected on .*administrator/,
  };
  await t.rejects(connect(server.server, as('ann', 's3cret-wrong')), refused);
  await t.rejects(connect(server.server, as('zoe', 's3cret-wrong')), refused);
  await t.rejects(connect(server.server, { encrypt: false }), { code: 'ERR_BADUSER' });
  const line = await server.logLine(({ msg, user }) => msg === 'login refused' && user === 'zoe');
  t.match(line, { address: '127.0.0.1', why: 'no such user' });
  t.notMatch(JSON.stringify(server.log), /s3cret/);
});

t.test('-n -u gives everybody the rights of that user', async (t) => {
  const { data } = await ground(t, { shop: [{ role: 'read', files: '*' }] });
  const server = await startDaemon(t, ['-d', data, '-n', '-u', 'shop']);
  await using connection = await connect(server.server, {
    encrypt: false,
    user: 'root',
    password: 'x',
  });
  t.equal(await codeOf(connection.open('department')), 'fine');
  t.equal(await codeOf(connection.open('department', { mode: 'update' })), 'ERR_PROTEC');
  const refusals: readonly (readonly [string[], RegExp])[] = [
    [['-n'], /needs -u USER, one of them/],
    [
      ['-n', '-u', 'zoe'],
      /default user zoe is not one of the users; add it with rsynctl user add zoe/,
    ],
  ];
  for (const [args, message] of refusals) {
    t.match(await runProgram(MAIN, ['-p', '0', '-d', data, ...args]), { code: 2, stderr: message });
  }
});

t.test('users that cannot be read stop the start', async (t) => {
  const { data } = await ground(t, { ann: [] });
  writeFileSync(join(data, '.rsynd', 'users.json'), '{"version": 1');
  const ran = await runProgram(MAIN, ['-p', '0', '-d', data, '-n', '-u', 'ann']);
  t.match(ran, { code: 2, stderr: /users\.json is not what rsynctl writes/ });
});

t.test(
  'a session ends within two seconds when its user may no longer, and its locks are free',
  async (t) => {
    const grants = [{ role: 'update', files: '*' }] as const;
    const { data, state, as } = await ground(t, {
      gone: grants,
      off: grants,
      less: grants,
      stays: grants,
    });
    const server = await startDaemon(t, ['-d', data]);
    const changes: readonly (readonly [string, () => Promise<unknown>, string])[] = [
      ['gone', () => removeUserEntry(state, 'gone'), 'ERR_BADUSER'],
      ['off', () => changeUserEntry(state, 'off', () => ({ disabled: true })), 'ERR_BADUSER'],
      [
        'less',
        () => changeUserEntry(state, 'less', () => ({ grants: [{ role: 'read', files: '*' }] })),
        'ERR_PROTEC',
      ],
    ];
    await using stays = await connect(server.server, as('stays'));
    await using other = await stays.open('department', {
      mode: 'update',
      definition: departmentFile,
    });
    for (const [user, change, code] of changes) {
      const connection = await connect(server.server, as(user));
      const channel = await connection.open('department', {
        mode: 'update',
        definition: departmentFile,
      });
      await channel.read(10);
      const waiting = other.read(10, { waitMs: 5000 });
      const before = Date.now();
      await change();
      await waiting;
      t.ok(Date.now() - before < 2000, `${user}: the lock is free after ${Date.now() - before} ms`);
      await other.unlock();
      t.equal(await codeOf(channel.reads()), code, 'and he is told why');
      await connection.close();
    }
    t.equal(await codeOf(connect(server.server, as('gone'))), 'ERR_BADUSER');
    t.equal((await other.read(10)).name, 'Accounts', 'the others go on');
  },
);

t.test('what is added, granted or spoiled while it runs', async (t) => {
  const { data, state, as } = await ground(t, { ann: [] });
  const server = await startDaemon(t, ['-d', data]);
  await using connection = await connect(server.server, as('ann'));
  t.equal(await codeOf(connection.open('department')), 'ERR_PROTEC');
  const reloads = () => server.log.filter(({ msg }) => msg === 'users reloaded').length;
  const afterReload = async (change: () => Promise<unknown>): Promise<void> => {
    const before = reloads();
    await change();
    await server.logLine(() => reloads() > before);
  };
  const grants = [{ role: 'read', files: '*' }] as const;
  await afterReload(() => changeUserEntry(state, 'ann', () => ({ grants })));
  t.equal(await codeOf(connection.open('department')), 'fine', 'without logging in again');

  const file = join(data, '.rsynd', 'users.json');
  const good = readFileSync(file);
  writeFileSync(file, 'spoiled');
  await server.logLine(({ msg }) => msg === 'users not reloaded, those in use stay');
  t.equal(await codeOf(connection.open('department')), 'fine', 'a bad file changes nothing');
  writeFileSync(`${file}.put`, good);
  renameSync(`${file}.put`, file);
  await afterReload(async () => rmSync(file));
  await t.rejects(connect(server.server, as('ann')), { message: /no users yet.*rsynctl user add/ });
});

t.test('an open server closes when its first user comes, and does not open again', async (t) => {
  const { data, state } = await ground(t, {});
  const server = await startDaemon(t, ['-d', data, '-n', '-u', 'shop']);
  await using connection = await connect(server.server, { encrypt: false });
  t.equal(await codeOf(connection.open('department', { mode: 'update' })), 'fine');
  await addUserEntry(state, 'ann', {});
  await server.logLine(({ msg }) => msg === 'session ended');
  await t.rejects(connect(server.server, { encrypt: false }), { message: /rsynctl user add shop/ });
  await removeUserEntry(state, 'ann');
  await server.logLine(() => server.log.filter(({ msg }) => msg === 'users reloaded').length > 1);
  await t.rejects(connect(server.server, { encrypt: false }), { message: /no users yet/ });
});

t.test('a password kept at less than today is kept anew at the next login', async (t) => {
  const { data, state, as } = await ground(t, {});
  await addUserEntry(state, 'ann', {
    password: await hashPassword(PASSWORD, { ln: 10, r: 8, p: 1 }),
  });
  const server = await startDaemon(t, ['-d', data]);
  await (await connect(server.server, as('ann'))).close();
  await server.logLine(({ msg }) => msg === 'users reloaded');
  t.match(readUsers(state).find('ann')?.password, /^\$scrypt\$ln=15,/);
  await (await connect(server.server, as('ann'))).close();
});

t.test('getfa logs in with a password from a file', async (t) => {
  const { data } = await ground(t, { ann: [{ role: 'read', files: 'department' }] });
  const server = await startDaemon(t, ['-d', data]);
  const file = join(data, 'password.txt');
  writeFileSync(file, `${PASSWORD}\n`);
  const getfa = (args: string[], env = {}) =>
    runProgram('dist/client/cli/getfa.js', [...args, `department@${server.server}`, 'SLE'], env);
  const byOption = await getfa(['--user', 'ann', '--password-file', file]);
  t.match(byOption, { code: 0, stdout: 'SLE 0\n' });
  t.match(await getfa(['--user', 'ann'], { RSYND_PASSWORD_FILE: file }), { code: 0 });
  t.match(await getfa(['--user', 'ann']), { code: 5, stderr: /Bad username, login rejected/ });
  const missing = await getfa(['--user', 'ann', '--password-file', join(data, 'none')]);
  t.match(missing, { code: 2, stderr: /none cannot be read/ });
});
