// The options by which getfa and rsynctl query reach a server, and what the SDK is told.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import t from 'tap';
import {
  addConnectionOptions,
  type ConnectionOptions,
  openOptionsOf,
} from '../../../client/cli/connection-options.js';
import { resolveConnect } from '../../../client/open-options.js';
import { passwordBytesMax } from '../../../shared/base/limits.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

const given = (...args: string[]): ConnectionOptions =>
  addConnectionOptions(new Command('x')).parse(args, { from: 'user' }).opts<ConnectionOptions>();

t.test('every option reaches the SDK in its own words', async (t) => {
  const args = ['--encrypt', '--scl', '4', '--ca', 'ca.pem', '--pin', 'sha256/x'];
  const more = ['--servername', 'db', '--cert', 'c.pem', '--key', 'k.pem', '--user', 'mary'];
  const options = openOptionsOf(given(...args, ...more), {});
  t.strictSame(options, {
    tls: { ca: 'ca.pem', pin: 'sha256/x', servername: 'db', cert: 'c.pem', key: 'k.pem' },
    encrypt: true,
    options: '/scl=4',
    user: 'mary',
  });
  t.match(resolveConnect(options), { encryption: 'required', scl: 4 });
  t.strictSame(openOptionsOf(given(), {}), { tls: {} });
});

t.test('the password is the first line of a file, named by option or environment', async (t) => {
  const folder = temporaryDirectory(t);
  const file = join(folder, 'password');
  writeFileSync(file, 'open sesame\r\nnot this\n');
  const user = ['--user', 'mary'];
  t.match(openOptionsOf(given(...user, '--password-file', file), {}), { password: 'open sesame' });
  const env = { RSYND_PASSWORD_FILE: file };
  t.match(openOptionsOf(given(...user), env), { user: 'mary', password: 'open sesame' });
  t.notOk('password' in openOptionsOf(given(), env), 'not for the default user');
  t.match(openOptionsOf(given(), env, 'rsynds://mary@host/file'), { password: 'open sesame' });
});

t.test('a password file that is no use is said to be none, without its content', async (t) => {
  const folder = temporaryDirectory(t);
  const [empty, long] = [join(folder, 'empty'), join(folder, 'long')];
  writeFileSync(empty, '\nsecond');
  writeFileSync(long, 'secret'.repeat(passwordBytesMax));
  const refused = (file: string, message: RegExp): void => {
    const run = () => openOptionsOf(given('--user', 'm', '--password-file', file), {});
    t.throws(run, { code: 'ERR_CONFIG', message });
  };
  refused(empty, /is empty; its first line must be/);
  refused(long, /is too long$/);
  refused(join(folder, 'absent'), /cannot be read \(ENOENT\)/);
});
