// `rsynctl user` as an administrator types it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { Command } from 'commander';
import t, { type Test } from 'tap';
import { addUser } from '../../rsynctl/command/user.js';
import { Tool } from '../../rsynctl/tool.js';
import { parsePasswordHash, verifyPassword } from '../../server/access/password-hash.js';
import { readUsers } from '../../server/access/user-store.js';
import { StateDirectory } from '../../server/state/state-directory.js';
import { grantsPerUserMax } from '../../shared/base/limits.js';
import { errorText, exitStatusOfError, throwUsageErrors } from '../../shared/cli/fail.js';
import { singleDashLong } from '../../shared/cli/single-dash.js';
import { cleanEnvironment, runProgram } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const RSYNCTL = 'dist/rsynctl/main.js';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in this process; `keys` are what somebody at the terminal types, one after another. */
async function runHere(
  data: string,
  args: readonly string[],
  keys?: readonly string[],
): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  const input = Object.assign(new PassThrough(), { isTTY: keys !== undefined });
  const left = [...(keys ?? [])];
  const write = (text: string): boolean => {
    err.push(text);
    if (/: $/.test(text)) setImmediate(() => input.write(left.shift() ?? '\u0003'));
    return true;
  };
  const output = new Writable({
    write: (chunk, _encoding, done) => {
      write(String(chunk));
      done();
    },
  });
  const stdout = { write: (text: string) => out.push(text) > 0 };
  const tool = new Tool({ stdout, stderr: { write }, env: {}, terminal: { input, output } });
  const json = args.includes('--json');
  tool.options = { data, json };
  const program = new Command('rsynctl');
  addUser(program, tool);
  const told = (code: number): Outcome => ({ code, stdout: out.join(''), stderr: err.join('') });
  try {
    const given = ['user', ...args.filter((each) => each !== '--json')];
    await throwUsageErrors(program).parseAsync(singleDashLong(program, given), { from: 'user' });
    return told(0);
  } catch (error) {
    err.push(`${errorText(error, json)}\n`);
    return told(exitStatusOfError(error));
  }
}

function ground(t: Test) {
  const data = temporaryDirectory(t);
  const passwordFile = join(data, 'password');
  writeFileSync(passwordFile, 'correct horse\n');
  const run = (...args: string[]) => runHere(data, args);
  const users = () => readUsers(new StateDirectory(data));
  const isPassword = async (name: string, password: string): Promise<boolean> => {
    const kept = parsePasswordHash(users().find(name)?.password ?? '');
    return kept !== undefined && (await verifyPassword(password, kept));
  };
  return { data, passwordFile, run, users, isPassword };
}

t.test('users are added, shown and removed', async (t) => {
  const { data, passwordFile, run, isPassword } = ground(t);
  const none = await run('list');
  t.match(none, { code: 0, stdout: '', stderr: /rsynctl user add NAME/ });
  t.match(await run('add', 'alice', '--password-file', passwordFile), {
    code: 0,
    stdout: 'added alice\n',
  });
  t.ok(await isPassword('alice', 'correct horse'), 'the first line of the file is the password');
  const made = await run('add', 'bob', '-generate');
  t.match(made, { code: 0, stdout: /^\w{20}\n$/ }, 'a generated one is on stdout, alone');
  t.ok(await isPassword('bob', made.stdout.trim()));
  t.match(await run('add', 'card', '--no-password'), { code: 0 });
  const shown = JSON.parse((await run('show', 'alice', '--json')).stdout);
  t.match(shown, { name: 'alice', grants: [], disabled: false, hasPassword: true });
  t.equal(shown.password, undefined, 'no hash is shown');
  t.notMatch((await run('show', 'alice')).stdout, /scrypt/);
  const file = join(data, '.rsynd', 'users.json');
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.notMatch(readFileSync(file, 'utf8'), /correct horse/);
  t.match(await run('remove', 'bob'), { code: 0 });
  t.strictSame((await run('list')).stdout.split('\n'), ['alice  no rights', 'card  no rights', '']);
});

t.test('rights, certificates and the rest of a user', async (t) => {
  const { run, users } = ground(t);
  await run('add', 'ann', '--no-password');
  await run('add', 'ben', '--no-password');
  t.match(await run('grant', 'ann', 'read', 'sales/*'), { code: 0 });
  t.match(await run('grant', 'ann', 'read', 'sales/*'), { code: 0 });
  t.match(await run('grant', 'ann', 'admin', 'own/**'), { code: 0 });
  t.equal(users().find('ann')?.grants.length, 2, 'granting twice is granting once');
  t.ok(users().allows('ann', 'read', 'sales/x.ism'));
  t.match(await run('revoke', 'ann', 'read', 'sales/*'), { code: 0 });
  t.notOk(users().allows('ann', 'read', 'sales/x.ism'));
  t.match(await run('revoke', 'ann', 'read', 'sales/*'), {
    code: 3,
    stderr: /has no grant.*admin own/,
  });
  t.match(await run('map', 'ann', 'CN:Ann'), { code: 0, stdout: 'cn:Ann stands for ann\n' });
  t.match(await run('map', 'ben', 'cn:Ann'), { stderr: /unmap ann first/ });
  t.match(await run('unmap', 'ann', 'cn:Ann'), { code: 0 });
  t.strictSame(users().find('ann')?.certificates, []);
  await run('disable', 'ann');
  t.notOk(users().allows('ann', 'read', 'own/x.ism'), 'disabled');
  await run('enable', 'ann');
  t.ok(users().allows('ann', 'read', 'own/x.ism'));
});

t.test('what cannot be done says why, with its exit status', async (t) => {
  const { data, passwordFile, run } = ground(t);
  await run('add', 'ann', '--password-file', passwordFile);
  const short = join(data, 'short');
  writeFileSync(short, 'seven77\n');
  const name = join(data, 'name');
  writeFileSync(name, 'LongName\n');
  const cases: readonly (readonly [string[], number, RegExp])[] = [
    [['add', 'ann', '--generate'], 4, /a user ann already/],
    [['add', 'an n', '--generate'], 2, /no user name/],
    [['add', 'bob'], 2, /--password-file F or --generate/],
    [['add', 'bob', '--generate', '--password-file', passwordFile], 2, /exclude each other/],
    [['add', 'bob', '--no-password', '--generate'], 2, /--no-password/],
    [['add', 'bob', '--password-file', short], 2, /from 8 to 1024 bytes, this one 7/],
    [['add', 'longname', '--password-file', name], 2, /name of the user/],
    [['add', 'bob', '--password-file', join(data, 'none')], 2, /none cannot be read \(ENOENT\)/],
    [['show', 'zoe'], 3, /no user is named "zoe"/],
    [['passwd', 'zoe', '--generate'], 3, /zoe/],
    [['remove', 'zoe'], 3, /zoe/],
    [['grant', 'zoe', 'read', '*'], 3, /zoe/],
    [['grant', 'ann', 'root', '*'], 2, /read, update, create, admin/],
    [['grant', 'ann', 'read', '/etc/*'], 2, /begins or ends with a slash/],
    [['map', 'ann', 'alice'], 2, /KIND:VALUE/],
    [['frobnicate'], 2, /frobnicate/],
  ];
  for (const [args, code, message] of cases) {
    const ran = await run(...args);
    t.match(ran.stderr, message, args.join(' '));
    t.equal(ran.code, code, `exit ${code}`);
    t.equal(ran.stdout, '');
  }
  const json = await run('show', 'zoe', '--json');
  t.match(JSON.parse(json.stderr), { error: { code: 'ERR_NOENTRY', errno: 9014 } });
  const nowhere = await runProgram(RSYNCTL, ['--data', join(data, 'x'), 'user', 'list']);
  t.match(nowhere, { code: 2, stderr: /data directory .* is not there/ });
});

t.test('a users.json that was spoiled by hand is named, and left alone', async (t) => {
  const { data, run, passwordFile } = ground(t);
  await run('add', 'ann', '--password-file', passwordFile);
  const file = join(data, '.rsynd', 'users.json');
  const good = readFileSync(file, 'utf8');
  const spoiled: readonly (readonly [string, string, RegExp])[] = [
    ['cut', good.slice(0, -20), /no JSON/],
    [
      'a field more',
      good.replace('"disabled"', '"admin": true, "disabled"'),
      /unknown field admin/,
    ],
    ['a field less', good.replace('"grants": [],', ''), /grants of ann is no list/],
    ['another version', good.replace('"version": 1', '"version": 2'), /version is not 1/],
    [
      'a password in clear',
      good.replace(/"\$scrypt[^"]*"/, '"s3cret"'),
      /password of ann is no scrypt/,
    ],
    ['a role', good.replace('[]', '[{"role": "root", "files": "x"}]'), /role of ann is not one of/],
    ['a pattern', good.replace('[]', '[{"role": "read", "files": "../x"}]'), /begins with a dot/],
    [
      'too many',
      good.replace('[]', JSON.stringify(new Array(grantsPerUserMax + 1).fill({}))),
      /more than 256/,
    ],
    ['a list', '[]', /it is no object/],
  ];
  for (const [what, text, why] of spoiled) {
    writeFileSync(file, text);
    const ran = await run('grant', 'ann', 'read', '*');
    t.match(ran, { code: 2, stderr: /users\.json is not what rsynctl writes/ }, what);
    t.match(ran.stderr, why, what);
    t.notMatch(ran.stderr, /s3cret/);
    t.equal(readFileSync(file, 'utf8'), text, 'nothing is written over it');
  }
});

t.test('two at once lose nothing', async (t) => {
  const { data, users } = ground(t);
  const run = (...args: string[]) => runProgram(RSYNCTL, ['--data', data, 'user', ...args]);
  const names = Array.from({ length: 4 }, (_, index) => `user${index}`);
  const ran = await Promise.all(names.map((name) => run('add', name, '--no-password')));
  t.strictSame(
    ran.map(({ code }) => code),
    names.map(() => 0),
  );
  t.equal(users().all.length, names.length);
});

t.test('a password is typed twice, and not shown', async (t) => {
  const { data, isPassword } = ground(t);
  const twice = ['battery staple\r', 'battery staple\r'];
  const added = await runHere(data, ['add', 'ann'], twice);
  t.match(added, { code: 0, stderr: /New password: \n?.*The same again: /s });
  t.notMatch(added.stdout + added.stderr, /battery/);
  t.ok(await isPassword('ann', 'battery staple'));
  const passwd = (...keys: string[]) => runHere(data, ['passwd', 'ann'], keys);
  t.match(await passwd('one two three\r', 'one two four\r'), { code: 2, stderr: /differ/ });
  t.match(await passwd('\u0003'), { code: 1, stderr: /aborted/ });
  t.ok(await isPassword('ann', 'battery staple'), 'nothing was changed');
});

t.test('--timeout ends a run that waits', async (t) => {
  const { data, run } = ground(t);
  await run('add', 'ann', '--no-password');
  writeFileSync(join(data, '.rsynd', '.lock'), '1 another-host');
  const before = Date.now();
  const ran = await runProgram(RSYNCTL, ['--data', data, '-timeout=1', 'user', 'disable', 'ann']);
  t.match(ran, { code: 7, stderr: /--timeout 1/ });
  t.ok(Date.now() - before < 4000);
});

t.test('help comes without the rest, and a closed pipe is no error', async (t) => {
  const help = await runProgram(RSYNCTL, ['--help']);
  t.match(help, { code: 0, stdout: /user .*users, their passwords/ });
  t.match(
    (await runProgram(RSYNCTL, ['user', '-help'])).stdout,
    /Needed: the right to write the data/,
  );
  t.match(await runProgram(RSYNCTL, []), { code: 2 });
  const { data } = ground(t);
  const child = spawn(process.execPath, [RSYNCTL, '--data', data, 'user', 'list'], {
    env: cleanEnvironment(),
  });
  child.stdout.destroy();
  t.strictSame((await once(child, 'exit'))[0], 0);
});
