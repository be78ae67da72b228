// The directory that daemon and rsynctl share: files whole and private, changes one after another, and
// every change noticed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { StateDirectory } from '../../../server/state/state-directory.js';
import {
  stateFileBytesMax,
  stateLockAbandonedMs,
  stateLockWaitMs,
  stateWatchMs,
} from '../../../shared/base/limits.js';
import { cleanEnvironment } from '../../fixture/daemon.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

t.test('files are there whole, readable by their owner only', async (t) => {
  const root = temporaryDirectory(t);
  const state = new StateDirectory(root);
  t.equal(state.read('users.json'), undefined, 'nothing is there yet');
  t.strictSame(state.list(), []);
  state.write('certificates/a.pem', 'text');
  state.writeJson('users.json', { users: [] });
  t.equal(String(state.read('certificates/a.pem')), 'text');
  t.strictSame(
    state.readJson('users.json', (value) => value),
    { users: [] },
  );
  t.equal(modeOf(state.path), '700');
  t.equal(modeOf(join(state.path, 'certificates')), '700');
  t.equal(modeOf(join(state.path, 'users.json')), '600');
  chmodSync(state.path, 0o755);
  state.write('users.json', '{}');
  t.equal(modeOf(state.path), '700', 'a directory that was opened to others is closed again');
  t.strictSame(state.list(), ['users.json'], 'no draft is left, folders do not count');
  t.strictSame(state.list('certificates'), ['a.pem']);
  state.remove('certificates/a.pem');
  state.remove('certificates/a.pem');
  t.strictSame(state.list('certificates'), []);
});

t.test('what cannot be read says which file, and quotes nothing of it', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  const decode = (value: unknown): unknown => {
    if (typeof value === 'object') return value;
    throw new Error('the top is no object');
  };
  for (const text of ['{"password": s3cret}', 's3cret', '', '"s3cret', '{"a":"s3cret"} x']) {
    state.write('users.json', text);
    const tried = () => state.readJson('users.json', decode);
    t.throws(tried, {
      code: 'ERR_CONFIG',
      message: /users\.json is not what rsynctl writes \(no JSON/,
    });
    try {
      tried();
    } catch (error) {
      t.notMatch(String(error), /s3cret|3cre/, text);
      t.notMatch(String((error as Error).cause), /s3cret|3cre/);
    }
  }
  state.write('users.json', '17');
  t.throws(() => state.readJson('users.json', decode), { message: /the top is no object/ });
  state.write('big', Buffer.alloc(stateFileBytesMax + 1));
  t.throws(() => state.read('big'), { code: 'ERR_CONFIG', message: /big has \d+ bytes/ });
  mkdirSync(join(state.path, 'folder'));
  t.throws(() => state.read('folder'), {
    code: 'ERR_CONFIG',
    message: /cannot be read \(EISDIR\)/,
  });
  t.throws(() => state.write('big/x', ''), { code: 'ERR_CONFIG', message: /cannot be written/ });
});

t.test('changes of several processes lose nothing', async (t) => {
  const root = temporaryDirectory(t);
  const children = Array.from({ length: 3 }, () =>
    spawn(process.execPath, ['dist/test/server/state/change-child.js', root, '40'], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: cleanEnvironment(),
    }),
  );
  const codes = await Promise.all(children.map((child) => once(child, 'exit')));
  t.strictSame(
    codes.map(([code]) => code),
    [0, 0, 0],
  );
  const state = new StateDirectory(root);
  t.equal(
    state.readJson('count.json', (value) => value),
    120,
  );
  t.notOk(existsSync(join(state.path, '.lock')), 'no lock is left');
});

t.test('a change that fails frees the lock and passes the error on', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  await t.rejects(
    state.change(() => {
      throw new Error('no');
    }),
    { message: 'no' },
  );
  t.equal(await state.change(() => 'next'), 'next');
});

t.test('a lock left behind does not last', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  state.write('x', '');
  const lock = join(state.path, '.lock');
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  writeFileSync(lock, `${child.pid} ${hostname()}`);
  t.equal(await state.change(() => 'in'), 'in', 'of a process that is gone');
  const old = Date.now() / 1000 - stateLockAbandonedMs / 1000 - 5;
  for (const text of ['', `${process.pid} ${hostname()}`, '1 another-host']) {
    writeFileSync(lock, text);
    utimesSync(lock, old, old);
    t.equal(await state.change(() => 'in'), 'in', `older than any change: "${text.slice(0, 5)}"`);
  }
  t.strictSame(readdirSync(state.path), ['x']);
});

t.test('a lock that is held is waited for, and given up after a while', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  state.write('x', '');
  const lock = join(state.path, '.lock');
  writeFileSync(lock, `1 another-host`);
  const before = Date.now();
  await t.rejects(
    state.change(() => 'in'),
    { code: 'ERR_FINUSE', message: /another process changes/ },
  );
  t.ok(Date.now() - before >= stateLockWaitMs - 100);
  const waiting = state.change(() => 'in');
  rmSync(lock);
  t.equal(await waiting, 'in');
});

t.test('a watch hears of files written, removed and put back, and of nothing else', async (t) => {
  const root = temporaryDirectory(t);
  const state = new StateDirectory(root);
  let heard: () => void = () => undefined;
  let calls = 0;
  const watch = state.watch(() => {
    calls++;
    heard();
  });
  const change = async (make: () => unknown): Promise<void> => {
    const told = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const before = Date.now();
    await make();
    const timer = setTimeout(() => t.fail('not heard of'), 10 * stateWatchMs);
    await told;
    clearTimeout(timer);
    t.ok(Date.now() - before < 3 * stateWatchMs, 'soon');
  };
  await change(() => state.write('users.json', 'a'));
  await change(() => state.write('users.json', 'b'));
  await change(() => state.write('certificates/c.pem', 'c'));
  await change(() => state.remove('users.json'));
  await state.change(() => undefined);
  await change(() => state.write('last', ''));
  t.equal(calls, 5, 'a lock alone is no change');
  watch.stop();
});
