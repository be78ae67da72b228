// `rsynctl ca` and `rsynctl cert` as an administrator types them; in-process, but for the test of two processes.

import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { createServer } from 'node:tls';
import { Command } from 'commander';
import t from 'tap';
import { addCa } from '../../../rsynctl/command/ca.js';
import { addCert } from '../../../rsynctl/command/cert.js';
import { Tool } from '../../../rsynctl/tool.js';
import { activeServerCertificate } from '../../../server/certificate/store/trusted.js';
import { StateDirectory } from '../../../server/state/state-directory.js';
import { errorText, exitStatusOfError, throwUsageErrors } from '../../../shared/cli/fail.js';
import { singleDashLong } from '../../../shared/cli/single-dash.js';
import { cleanEnvironment } from '../../fixture/daemon.js';
import { needsOpenssl, opensslIn } from '../../fixture/openssl.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

const folder = temporaryDirectory(t);
const data = join(folder, 'data');
mkdirSync(data);
const openssl = opensslIn(folder);
const at = (file: string): string => join(folder, file);
const text = (file: string): string => readFileSync(at(file), 'latin1');

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

class Text extends Writable {
  text = '';
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** Runs one command; `typed` is what comes on stdin. */
async function run(args: readonly string[], typed?: string): Promise<Ended> {
  const [stdout, stderr] = [new Text(), new Text()];
  const input = new PassThrough();
  input.end(typed);
  const terminal = { input, output: stderr };
  const tool = new Tool({ stdout, stderr, env: { RSYND_DATA: data }, terminal });
  const program = new Command('rsynctl').option('--data <dir>').option('--json');
  addCa(program, tool);
  addCert(program, tool);
  program.hook('preAction', () => {
    tool.options = program.opts();
  });
  throwUsageErrors(program);
  let status = 0;
  try {
    await program.parseAsync(singleDashLong(program, args), { from: 'user' });
  } catch (error) {
    status = exitStatusOfError(error);
    stderr.write(errorText(error, args.includes('--json')) ?? '');
  }
  return { status, stdout: stdout.text, stderr: stderr.text };
}

/** Words separated by blanks. */
const rsynctl = (line: string, typed?: string): Promise<Ended> => run(line.split(' '), typed);

const json = async (line: string) => JSON.parse((await rsynctl(`${line} --json`)).stdout);

t.test('there is nothing to do without an authority', async (t) => {
  for (const line of ['ca export', 'ca crl', 'ca issue db.example']) {
    const { status, stderr } = await rsynctl(line);
    t.equal(status, 3, line);
    t.match(stderr, /make it with ca init/);
  }
  t.match((await rsynctl('ca list')).stderr, /nothing was issued yet/);
  t.match((await rsynctl('cert list')).stderr, /there are no certificates/);
});

t.test('ca init makes it once, with the name that was given', async (t) => {
  const made = await rsynctl(
    'ca init -country IN -state Karnataka -locality Bengaluru -org=Acme -orgunit IT' +
      ' -commonname Acme-CA -email ca@acme.in',
  );
  t.equal(made.status, 0, made.stderr);
  t.match(made.stdout, 'C=IN, ST=Karnataka, L=Bengaluru, O=Acme, OU=IT, CN=Acme-CA');
  const again = await rsynctl('ca init');
  t.equal(again.status, 4);
  t.match(again.stderr, /there is a local authority/);
  t.equal((await rsynctl(`ca export --out ${at('ca.pem')}`)).status, 0);
  t.notMatch(text('ca.pem'), /PRIVATE/);
  t.equal((await rsynctl('ca export')).stdout, text('ca.pem'));
  t.equal(new X509Certificate(text('ca.pem')).ca, true);
});

t.test('ca issues for servers and clients and says where the key is', async (t) => {
  const out = at('server.pem');
  const issued = await rsynctl(`ca issue db --san dns:localhost,ip:127.0.0.1 --ec --out ${out}`);
  t.equal(issued.status, 0, issued.stderr);
  t.equal(statSync(out).mode & 0o777, 0o600);
  t.match(text('server.pem'), /PRIVATE KEY[\s\S]+BEGIN CERTIFICATE/);
  const plain = await rsynctl('ca issue other.example --ec');
  t.notMatch(plain.stdout, /PRIVATE/, 'no key on stdout');
  t.match(new X509Certificate(plain.stdout).subjectAltName, 'DNS:other.example');

  const lost = await rsynctl('ca issue alice --client');
  t.equal(lost.status, 2);
  t.match(lost.stderr, /needs --out FILE for its key/);
  const client = await json(`ca issue alice --user alice.b --ec --out ${at('alice.pem')}`);
  t.match(client, { profile: 'client', subject: 'CN=alice.b', file: at('alice.pem') });
  const both = await rsynctl('ca issue both.example --client --server --ec');
  const uses = new X509Certificate(both.stdout).keyUsage;
  t.same(uses, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'], 'a server that is a client too');
  t.equal((await rsynctl('ca issue x y')).status, 2);
  t.equal((await rsynctl('ca issue x --days zero')).status, 2);
  t.match((await rsynctl('ca issue has+blank')).stderr, /no host name/);

  const nowhere = await rsynctl(`ca issue carol --client --ec --out ${at('none/carol.pem')}`);
  t.match(nowhere.stderr, /cannot be written \(ENOENT\)/);
  t.equal((await rsynctl(`ca issue carol --client --ec --out ${folder}`)).status, 1);
  t.notMatch((await rsynctl('ca list')).stdout, /carol/, 'nothing is issued when its key is lost');

  const renewed = await rsynctl(`ca renew alice --ec --out ${at('alice.pem')}`);
  t.equal(renewed.status, 0, renewed.stderr);
  t.equal((await rsynctl('ca renew alice')).status, 2, 'the key would be lost');
  t.equal((await rsynctl('ca renew nobody')).status, 3);
  const { issued: all } = await json('ca list');
  t.same(
    all.map(({ name }: { name: string }) => name),
    ['db', 'other.example', 'alice', 'both.example', 'alice'],
  );
});

t.test('revocation lists come as PEM and DER', needsOpenssl, async (t) => {
  const crl = at('crl.pem');
  await rsynctl(`ca issue gone.example --ec --out ${at('gone.pem')}`);
  await rsynctl(`ca crl --out ${crl}`);
  const check = 'verify -CAfile ca.pem -crl_check -CRLfile crl.pem gone.pem';
  t.match(openssl(check), /OK/);
  t.equal((await rsynctl('ca revoke gone.example --reason superseded')).status, 0);
  t.equal((await rsynctl('ca revoke gone.example')).status, 3);
  t.equal((await rsynctl('ca revoke db --reason whim')).status, 2);
  await rsynctl(`ca crl --days 3 --out ${crl}`);
  t.match(openssl.failing(check), /revoked/);
  t.match((await rsynctl('ca crl')).stdout, /^-----BEGIN X509 CRL-----/);
  t.equal((await rsynctl('ca crl --der')).status, 2);
  await rsynctl(`ca crl --der --out ${at('crl.der')}`);
  t.match(openssl('crl -inform DER -in crl.der -CAfile ca.pem -verify -noout'), /verify OK/);
  t.match((await rsynctl('ca list')).stdout, /gone\.example +server +revoked/);
});

t.test('cert request asks as openssl does; a dot leaves blank', needsOpenssl, async (t) => {
  const typed = 'US\n.\nTown\nAcme\n\ndb.acme.com\nops@acme.com\n';
  const asked = await rsynctl(`cert request --ec --name web --out ${at('web.csr')}`, typed);
  t.equal(asked.status, 0, asked.stderr);
  t.match(
    asked.stderr,
    /Country Name[\s\S]+State[\s\S]+Locality[\s\S]+Organization[\s\S]+Unit[\s\S]+Common/,
  );
  t.ok(asked.stderr.includes(`Common Name (e.g. server FQDN) [${hostname()}]:`));
  const shown = openssl('req -in web.csr -verify -noout -text -nameopt sep_comma_plus');
  t.match(shown, 'Subject: C=US,L=Town,O=Acme,CN=db.acme.com,emailAddress=ops@acme.com');
  t.match(shown, 'DNS:db.acme.com');

  const flags = 'cert request --cn db.example --san dns:db.example,ip:10.0.0.1 --country DE --ec';
  const pem = await rsynctl(flags);
  writeFileSync(at('flags.csr'), pem.stdout);
  t.match(openssl('req -in flags.csr -verify -noout -text'), 'IP Address:10.0.0.1');
  const mixed = await rsynctl('cert request --interactive --cn d.example --org Acme --ec', '\n.\n');
  writeFileSync(at('mixed.csr'), mixed.stdout);
  t.match(
    openssl('req -in mixed.csr -noout -subject -nameopt sep_comma_plus'),
    'O=Acme,CN=d.example',
  );
  const second = await rsynctl('cert request --cn d.example --ec');
  t.equal(second.status, 4, 'its key would be lost');
  t.match(second.stderr, /waits for its certificate/);
  t.equal((await rsynctl('cert export d.example')).stdout, mixed.stdout, 'it can be had again');
  t.equal((await rsynctl('cert request --cn d.example --ec --replace')).status, 0);
  const nobody = await rsynctl('cert request', '');
  t.equal(nobody.status, 1);
  t.match(nobody.stderr, /nobody answered/);
  t.equal((await rsynctl('cert request --org Acme')).status, 2, 'a common name is needed');
});

t.test('who asks with a request gets the name he is given', needsOpenssl, async (t) => {
  const request =
    'req -new -nodes -newkey rsa:2048 -keyout e.key -out e.csr -subj /CN=root' +
    ' -addext subjectAltName=email:root@db.example';
  openssl(request);
  const given = await rsynctl(`ca issue eve --user eve --csr ${at('e.csr')}`);
  const certificate = new X509Certificate(given.stdout);
  t.equal(certificate.subject, 'CN=eve');
  t.equal(certificate.subjectAltName, undefined);
  const asked = await rsynctl(`ca issue root --client --csr ${at('e.csr')}`);
  t.equal(new X509Certificate(asked.stdout).subjectAltName, undefined, 'no name by asking');
  t.match(asked.stderr, 'the request asked for email:root@db.example too');
  const other = await rsynctl(`ca issue bob --client --csr ${at('e.csr')}`);
  t.equal(other.status, 2);
  t.match(other.stderr, /asks for the common name root, not bob; say --user bob/);
  const named = `--client --san email:root@db.example --csr ${at('e.csr')}`;
  await rsynctl('ca revoke root');
  const granted = await rsynctl(`ca issue root ${named}`);
  t.equal(new X509Certificate(granted.stdout).subjectAltName, 'email:root@db.example');
});

t.test('cert install takes the answer and keeps the old one', needsOpenssl, async (t) => {
  t.match((await json('cert show web')).status, 'outstanding');
  openssl('req -x509 -nodes -newkey rsa:2048 -keyout o.key -out o.pem -subj /CN=Outside');
  for (const serial of [1, 2]) {
    openssl(
      `x509 -req -in web.csr -CA o.pem -CAkey o.key -set_serial ${serial} -days 40 -out web${serial}.pem`,
    );
    const installed = await rsynctl(`cert install web ${at(`web${serial}.pem`)}`);
    t.equal(installed.status, 0, installed.stderr);
  }
  t.equal((await json('cert show web')).serial, '02');
  t.match((await rsynctl('cert rollback web')).stdout, /again serial 01/);
  const wrong = await rsynctl(`cert install web ${at('o.pem')}`);
  t.equal(wrong.status, 6);
  t.match(wrong.stderr, /key does not match certificate/);
});

t.test('cert import, list, trust, export and remove', needsOpenssl, async (t) => {
  openssl('req -x509 -nodes -newkey rsa:2048 -keyout p.key -out p.pem -subj /CN=far -days 5');
  openssl('pkcs12 -export -inkey p.key -in p.pem -name My+Box -passout pass:pw -out p.p12');
  writeFileSync(at('pass'), 'pw\n');
  const boxed = await rsynctl(`cert import ${at('p.p12')} --passphrase-file ${at('pass')}`);
  t.equal(boxed.status, 0, boxed.stderr);
  t.match(boxed.stdout, /imported server My Box/);
  t.match(boxed.stderr, /self-signed/);
  const { certificates } = await json('cert list --kind server');
  const box = certificates.find(({ name }: { name: string }) => name === 'My Box');
  t.match(box, { status: 'expiring', hasKey: true, usedBy: [] });
  t.ok(box.daysLeft <= 5);
  t.ok(
    openssl('x509 -in p.pem -noout -fingerprint -sha256')
      .replaceAll(':', '')
      .includes(box.id.toUpperCase()),
  );
  const exported = await rsynctl(`cert export ${box.id.slice(0, 9)}`);
  t.equal(exported.stdout, text('p.pem'));
  t.equal((await rsynctl(`cert remove ${box.id.slice(0, 9)}`)).status, 0);

  const pair = await rsynctl(`cert import ${at('p.pem')} ${at('p.key')} --name pair`);
  t.equal(pair.status, 0, pair.stderr);
  t.equal((await rsynctl(`cert import ${at('p.pem')} --key ${at('o.key')}`)).status, 6);
  t.equal((await rsynctl('cert delete pair')).status, 0);
  t.equal((await rsynctl('cert show pair')).status, 3);

  const authority = await rsynctl(`cert import ${at('o.pem')} --kind authority --replication on`);
  t.equal(authority.status, 0, authority.stderr);
  const peer = await rsynctl(`cert import ${at('p.pem')} --kind peer --name far`);
  t.match(peer.stderr, /no service trusts it yet/);
  t.match((await rsynctl('cert trust Outside --rest on --replication off')).stdout, /rest on/);
  t.same((await json('cert show Outside')).trustedFor, {
    data: false,
    replication: false,
    rest: true,
  });
  t.equal((await rsynctl('cert trust Outside')).status, 2);
  t.equal((await rsynctl('cert trust Outside --rest maybe')).status, 2);
  const list = (await rsynctl('cert list')).stdout;
  t.match(list, /^ID +NAME +KIND +STATUS +DAYS +TRUSTED FOR +USED BY\n/);
  t.match(list, /Acme-CA +authority +valid +\d+ +data +the local authority/);
  const failed = await rsynctl('cert show nothing --json');
  t.match(JSON.parse(failed.stderr), { error: { code: 'ERR_NOENTRY' } });
});

t.test('cert activate chooses what the data port presents; inspect sees it', async (t) => {
  const chosen = await rsynctl('cert activate db');
  t.equal(chosen.status, 0, chosen.stderr);
  const used = await rsynctl('cert remove db');
  t.equal(used.status, 4);
  t.match(used.stderr, /db is used by the data port/);
  t.equal((await rsynctl('cert activate Acme-CA')).status, 6);
  const active = activeServerCertificate(new StateDirectory(data), {});
  const server = createServer({ key: active?.privateKey ?? '', cert: active?.chain ?? '' });
  server.on('tlsClientError', () => {}).listen(0, '0.0.0.0');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const seen = await json(`cert inspect 127.0.0.1:${port}`);
  t.match(seen, { certificates: [{ subject: 'CN=db', names: ['dns:localhost', 'ip:127.0.0.1'] }] });
  t.same(seen.problems, []);
  const strange = await json(`cert inspect 127.0.0.2:${port}`);
  t.match(strange.problems, [/not for the name/]);
  t.match((await rsynctl(`cert inspect ${at('server.pem')}`)).stdout, /its key is there/);
  t.equal((await rsynctl(`cert inspect ${at('none.pem')}`)).status, 3);
  t.equal((await rsynctl('cert inspect 127.0.0.1:1')).status, 1);
  await rsynctl('cert deactivate');
  t.equal(activeServerCertificate(new StateDirectory(data), {}), undefined);
});

t.test('processes that change the store at once take turns', async (t) => {
  const names = ['one', 'two', 'three', 'four'];
  const ended = await Promise.all(
    names.flatMap((name) => [
      spawnRsynctl(['ca', 'issue', `${name}.example`, '--ec']),
      spawnRsynctl(['cert', 'request', '--cn', `${name}.wanted`, '--ec']),
    ]),
  );
  t.same(ended, new Array(8).fill(0));
  const { certificates } = await json('cert list');
  const found: string[] = certificates.map(({ name }: { name: string }) => name);
  for (const name of names) {
    t.ok(found.includes(`${name}.example`), `${name}.example`);
    t.ok(found.includes(`${name}.wanted`), `${name}.wanted`);
  }
});

async function spawnRsynctl(args: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, ['dist/rsynctl/main.js', '--data', data, ...args], {
    stdio: 'ignore',
    env: cleanEnvironment({}),
  });
  const [status] = await once(child, 'close');
  return status;
}
