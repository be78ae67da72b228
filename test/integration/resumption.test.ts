// A TLS session that is resumed is no way around anything the server decides: who logs in, whose certificate it takes.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Deadline } from '../../client/connection/deadline.js';
import { connectRemote } from '../../client/connection/remote-link.js';
import { TlsMemory } from '../../client/connection/tls-memory.js';
import { parseServer } from '../../client/filespec.js';
import { type ConnectOptions, resolveConnect } from '../../client/open-options.js';
import { hashPassword } from '../../server/access/password-hash.js';
import { addUserEntry } from '../../server/access/user-store.js';
import { StateDirectory } from '../../server/state/state-directory.js';
import { writeCertificate } from '../fixture/certificate.js';
import { type RunningDaemon, startDaemon } from '../fixture/daemon.js';
import { Authority, hasOpenssl } from '../fixture/pki.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

/** Connects, logs in, asks something and leaves. */
async function visit(
  { server }: RunningDaemon,
  memory: TlsMemory,
  options: ConnectOptions,
): Promise<void> {
  const address = parseServer(server);
  using deadline = new Deadline({ timeoutMs: 30_000, signal: undefined, what: 'a visit' });
  const link = await connectRemote(address, resolveConnect(options, address), deadline, memory);
  try {
    await link.call({ verb: 'ping' }, 0, deadline.limits);
  } finally {
    await link.close();
  }
}

t.test('users log in on resumed sessions too', async (t) => {
  const data = temporaryDirectory(t);
  const own = await writeCertificate(data);
  const password = 'correct horse';
  const cheap = await hashPassword(password, { ln: 4, r: 8, p: 1 });
  await addUserEntry(new StateDirectory(data), 'ann', { password: cheap, grants: [] });
  const server = await startDaemon(t, ['-d', data, '-encrypt', `-cert=${own.bundle}`]);
  const memory = new TlsMemory();
  const as = (given: string) => ({ user: 'ann', password: given, tls: { ca: own.ca } });
  await visit(server, memory, as(password));
  t.equal(memory.sessions.size, 1);
  await t.rejects(visit(server, memory, as('wrong horse')), { code: 'ERR_BADUSER' });
  await visit(server, memory, as(password));
  t.equal(memory.sessions.size, 0, 'both sessions of the first were resumed, and gave no others');
  await visit(server, memory, as(password));
  t.equal(memory.sessions.size, 1);
  t.equal(await server.stop(), 0);
});

t.test(
  'where certificates are asked for, each connection shows one',
  {
    skip: hasOpenssl ? false : 'needs openssl',
  },
  async (t) => {
    const data = temporaryDirectory(t);
    const pki = temporaryDirectory(t);
    const own = await writeCertificate(pki);
    const root = Authority.root(pki, 'root');
    const crl = root.writeCrl(join(pki, 'root.crl'));
    const config = join(pki, 'rsynd.toml');
    writeFileSync(config, '');
    const base = ['-d', data, '-n', '-u', 'demo', '-encrypt', `-cert=${own.bundle}`];
    const server = await startDaemon(t, [...base, '--config', config]);
    const ann = root.issue('ann');
    const memory = new TlsMemory();
    const bare = { encrypt: true, tls: { ca: own.ca } };
    const shown = { encrypt: true, tls: { ca: own.ca, cert: ann.chain, key: ann.key } };
    await visit(server, memory, bare);
    await visit(server, memory, shown);
    t.equal(memory.sessions.size, 2, 'the server asks nobody yet, and offers sessions to both');
    const rules = ['client-auth = "required"', `client-ca = "${root.cert}"`, `crl = ["${crl}"]`];
    writeFileSync(config, rules.join('\n'));
    server.process.kill('SIGHUP');
    const refused = (): Promise<boolean> =>
      visit(server, memory, bare).then(
        () => false,
        () => true,
      );
    while (!(await refused())) await new Promise((resolve) => setTimeout(resolve, 20));
    for (let count = 0; count < 4; count++) {
      t.ok(await refused(), 'a session of before is of no use');
      await visit(server, memory, shown);
    }
    root.revoke(ann);
    root.writeCrl(crl);
    const revoked = (): Promise<boolean> =>
      visit(server, memory, shown).then(
        () => false,
        (error) => /revoked/i.test(error.message),
      );
    while (!(await revoked())) await new Promise((resolve) => setTimeout(resolve, 20));
    for (let count = 0; count < 4; count++) t.ok(await revoked());
    t.equal(await server.stop(), 0);
  },
);
