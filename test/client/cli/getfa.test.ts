// The program getfa as people run it, against a fake server over TLS and in clear.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { issueDevelopmentCertificate } from '../../../server/certificate/issue-self-signed.js';
import { startFake } from '../fake-server.js';

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const getfa = (...args: string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    const program = ['dist/client/cli/getfa.js', ...args];
    execFile(process.execPath, program, (error, stdout, stderr) => {
      const status = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
      resolve({ status, stdout, stderr });
    });
  });

t.test('getfa prints what a channel is, one fact a line', async (t) => {
  const issued = await issueDevelopmentCertificate({ hosts: ['127.0.0.1'], keyBits: 2048 });
  const ca = join(t.testdir({}), 'ca.pem');
  writeFileSync(ca, issued.caPem);
  const fake = await startFake(t, { tls: { key: issued.serverPem, cert: issued.serverPem } });
  const plain = await startFake(t);
  const file = `x@${fake.address}`;
  const slc = 'TLS_AES_256_GCM_SHA384 TLSv1.3 Kx=any Au=any Enc=AESGCM(256) Mac=AEAD';
  const [all, chosen, json, clear] = await Promise.all([
    getfa('-encrypt', '-scl=4', '--ca', ca, '--user', 'shop', file),
    getfa(file, 'sle', 'RSZ', `-ca=${ca}`),
    getfa(file, '--json', `--ca=${ca}`),
    getfa(`x@${plain.address}`),
  ]);
  t.equal(all.stdout, `SLE 1\nSLC ${slc}\nNETCRYPT 0\n`, all.stderr);
  t.equal(all.status, 0);
  t.match((await fake.seen('login')).request, { verb: 'login' });
  t.ok(fake.asked.some(({ request }) => request.verb === 'login' && request.user === 'shop'));
  t.equal(chosen.stdout, 'SLE 1\nRSZ 8\n');
  t.strictSame(JSON.parse(json.stdout), { SLE: 1, SLC: slc, NETCRYPT: 0 });
  t.equal(clear.stdout, 'SLE 0\nSLC\nNETCRYPT 0\n');

  const failures = await Promise.all([
    getfa(file),
    getfa('-encrypt', `x@${plain.address}`),
    getfa('-encrypt', `x@${plain.address}`, '--json'),
    getfa(),
    getfa(file, '-scl=7'),
    getfa(file, 'WHAT', '--ca', ca),
    getfa('/no/such/file.ism'),
    getfa('customers@localhost/encrypt'),
    getfa('x@localhost', '/encrypt'),
    getfa('x@localhost', '/scl=3'),
  ]);
  const expected: [number, RegExp][] = [
    [6, /is not trusted/],
    [6, /^error: Client server error, host: 127\.0\.0\.1\n.*\nError requesting secure connection/],
    [6, /^\{"error":\{"code":"ERR_CLNTERR","errno":319,/],
    [2, /missing required argument 'filespec'/],
    [2, /scl must be 0, 1, 2, 3 or 4/],
    [2, /getfa knows no "WHAT"/],
    [3, /File not found/],
    [2, /"\/encrypt" is not known here; use -encrypt or -scl=N/],
    [2, /"\/encrypt" is not known here; use -encrypt or -scl=N/],
    [2, /"\/scl=3" is not known here; use -encrypt or -scl=N/],
  ];
  for (const [index, [status, message]] of expected.entries()) {
    const outcome = failures[index];
    t.equal(outcome?.status, status, outcome?.stderr ?? '');
    t.match(outcome?.stderr ?? '', message);
    t.equal(outcome?.stdout, '');
  }
});
