// The program as an administrator meets it: what it refuses to start with, how it stops, and how it takes
// a new certificate while sessions go on.

import { once } from 'node:events';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { connect } from '../../client/index.js';
import { writeCertificate } from '../fixture/certificate.js';
import { runProgram, startDaemon } from '../fixture/daemon.js';
import { departmentFile, makeStaffFiles } from '../fixture/staff.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const MAIN = 'dist/server/main.js';

t.test('refuses to start with a message of its own', async (t) => {
  const data = temporaryDirectory(t);
  const { bundle } = await writeCertificate(data);
  const missing = join(data, 'no.pem');
  const random = join(data, 'random');
  writeFileSync(random, 'short');
  const base = ['-p', '0', '-d', data];
  const refusals: [string, string[], NodeJS.ProcessEnv, RegExp, number][] = [
    ['-n -encrypt without -u', [...base, '-n', '-encrypt', `-cert=${bundle}`], {}, /-u USER/, 2],
    ['-cipher other than HIGH', [...base, '-cipher=MEDIUM'], {}, /HIGH is the only level/, 2],
    ['no certificate', [...base, '-encrypt', `-cert=${missing}`], {}, /no\.pem/, 6],
    ['no -cert and no DBLDIR', [...base, '-encrypt'], { DBLDIR: undefined }, /DBLDIR/, 6],
    ['default certificate missing', [...base, '-encrypt'], { DBLDIR: `${data}x` }, /rsynd\.pem/, 6],
    ['a level there is not', [...base, '-scl=5'], {}, /0 to 4/, 2],
    ['no data directory', ['-d', join(data, 'nowhere')], {}, /nowhere/, 2],
    ['an unknown option', ['-encript'], {}, /encript/, 2],
    ['a remote procedure service', [...base, '-w'], {}, /-w: this version has no/, 2],
    ['too many workers', [...base, '--workers', '65'], {}, /workers is .* from 1 to 64/, 2],
    ['another store', [...base, '--store', 'redis://x'], {}, /not available in this version/, 2],
    ['no random state', base, { SYNSSL_RAND: '/none' }, /Cannot load random state/, 6],
    ['too little random state', base, { SYNSSL_RAND: random }, /Cannot load random state/, 6],
  ];
  for (const [name, args, environment, message, code] of refusals) {
    const ran = await runProgram(MAIN, args, environment);
    t.match(ran.stderr, message, name);
    t.equal(ran.code, code, `${name}: exit ${code}`);
    t.equal(ran.stdout, '', `${name}: nothing on stdout`);
  }
});

t.test('--check says what would run, --help and --version answer', async (t) => {
  const data = temporaryDirectory(t);
  const { bundle } = await writeCertificate(data);
  const args = ['-d', data, '-encrypt', '-scl', '4', `-cert=${bundle}`, '-n', '-u', 'x', '--check'];
  const checked = await runProgram(MAIN, args);
  t.match(checked.stdout, /encrypt=on scl=4 min=TLSv1\.3/);
  t.equal(checked.code, 0);
  t.match((await runProgram(MAIN, ['--help'])).stdout, /-encrypt/);
  t.match((await runProgram(MAIN, ['-version'])).stdout, /^\d+\.\d+\.\d+/);
});

t.test('what does less than it seems is warned about', async (t) => {
  const data = temporaryDirectory(t);
  const inClear = await runProgram(MAIN, ['-d', data, '-scl=3', '-n', '-u', 'x', '--check']);
  t.match(inClear.stderr, /nothing without -encrypt: every session is in clear/);
  const noUsers = await runProgram(MAIN, ['-d', data, '--check']);
  t.match(noUsers.stderr, /every login is refused; start with -n -u USER/);
  const sound = await runProgram(MAIN, ['-d', data, '-n', '--check']);
  t.equal(sound.stderr, '');
});

t.test('secure mode without users refuses every login and says what to do', async (t) => {
  const server = await startDaemon(t, ['-d', temporaryDirectory(t)]);
  await t.rejects(connect(server.server, { user: 'joe', password: 'x' }), {
    code: 'ERR_BADUSER',
    message: /-n -u USER/,
  });
});

t.test('options may come from a TOML file, and the command line wins', async (t) => {
  const data = temporaryDirectory(t);
  const config = join(data, 'rsynd.toml');
  writeFileSync(config, `n = true\nu = "from-file"\nscl = 4\ndata = ${JSON.stringify(data)}\n`);
  const server = await startDaemon(t, ['--config', config, '-scl=3']);
  t.match(
    server.readyLine,
    /^rsynd ready host=127\.0\.0\.1 port=\d+ encrypt=off scl=3 min=TLSv1\.2 data=/,
  );
  writeFileSync(config, 'colour = "blue"\n');
  const refused = await runProgram(MAIN, ['--config', config]);
  t.match(refused.stderr, /unknown key colour/);
  writeFileSync(config, 'port = \n');
  t.match((await runProgram(MAIN, ['--config', config])).stderr, /rsynd\.toml:1:/);
});

t.test('SIGHUP takes a new certificate and drops no session', async (t) => {
  const data = temporaryDirectory(t, 'first', 'second');
  await makeStaffFiles(data);
  const live = join(data, 'live.pem');
  const first = await writeCertificate(join(data, 'first'));
  const second = await writeCertificate(join(data, 'second'));
  copyFileSync(first.bundle, live);
  const server = await startDaemon(t, ['-d', data, '-n', '-u', 'x', '-encrypt', `-cert=${live}`]);
  const trust = { tls: { ca: [first.ca, second.ca] } };
  await using held = await connect(server.server, trust);
  await using department = await held.open('department', { definition: departmentFile });
  const before = await presentedSerial(server.port);

  writeFileSync(live, 'not a certificate');
  server.process.kill('SIGHUP');
  await server.logLine(({ msg }) => /not reloaded/.test(String(msg)));
  t.equal(await presentedSerial(server.port), before, 'a bad file changes nothing');

  copyFileSync(second.bundle, live);
  chmodSync(live, 0o600);
  server.process.kill('SIGHUP');
  await server.logLine(({ msg }) => msg === 'certificate reloaded');
  t.not(await presentedSerial(server.port), before, 'new connections see the new one');
  t.equal((await department.read(10)).name, 'Accounts', 'the session of before goes on');
  t.equal(await server.stop(), 0);
});

async function presentedSerial(port: number): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const serial = socket.getPeerX509Certificate()?.serialNumber ?? '';
  socket.destroy();
  return serial;
}

t.test('a session is told when the server stops, and finishes what it does', async (t) => {
  const data = temporaryDirectory(t);
  await makeStaffFiles(data);
  const server = await startDaemon(t, ['-d', data, '-n', '-u', 'x']);
  const connection = await connect(server.server, { encrypt: false });
  const department = await connection.open('department', {
    mode: 'update',
    definition: departmentFile,
  });
  const stores = Array.from({ length: 50 }, (_, index) =>
    department.store({ number: 1000 + index, name: 'busy' }).then(
      () => 'stored',
      (error) => error.code as string,
    ),
  );
  const code = await server.stop();
  const fates = await Promise.all(stores);
  t.equal(code, 0, 'it exits 0');
  t.ok(
    fates.every((fate) => fate === 'stored' || fate === 'ERR_NETPROB'),
    'each call is answered',
  );
  await t.rejects(department.read(10), { code: 'ERR_NETPROB' });
  await connection.close();
});
