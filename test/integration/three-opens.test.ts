// The promise of the product in one table: who can insist on encryption, and what each open then gives.

import { join } from 'node:path';
import t from 'tap';
import { getfa, isRsyndError, type OpenOptions, open } from '../../client/index.js';
import { writeCertificate } from '../fixture/certificate.js';
import { startDaemon } from '../fixture/daemon.js';
import { makeStaffFiles } from '../fixture/staff.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

/** What one open came to: `SLE n` and the SLC text, or the code of its error. */
async function outcome(filespec: string, options: OpenOptions): Promise<string> {
  try {
    await using channel = await open(filespec, options);
    const slc = await getfa(channel, 'SLC');
    return `opens, SLE ${await getfa(channel, 'SLE')}, SLC ${JSON.stringify(slc)}`;
  } catch (error) {
    if (!isRsyndError(error)) throw error;
    return `${error.code}: ${error.message.split('\n')[0]}`;
  }
}

t.test('server, file and client each insist alone', async (t) => {
  const data = temporaryDirectory(t);
  await makeStaffFiles(data);
  const { bundle, ca } = await writeCertificate(data);
  const plain = await startDaemon(t, ['-d', data, '-n', '-u', 'demo']);
  const encrypted = await startDaemon(t, [
    ...['-d', data, '-n', '-u', 'demo', '-encrypt', '-scl=3'],
    `-cert=${bundle}`,
  ]);
  const tls = { ca };
  const slc = 'TLS_AES_256_GCM_SHA384 TLSv1.3 Kx=any Au=any Enc=AESGCM(256) Mac=AEAD';
  const inClear = 'opens, SLE 0, SLC ""';
  const inTls = `opens, SLE 1, SLC "${slc}"`;
  const expected: [string, string, OpenOptions, RegExp | string][] = [
    ['plain server', `department@${plain.server}`, { tls: {} }, inClear],
    [
      'plain server',
      `department@${plain.server}`,
      { options: '/encrypt', tls },
      /^ERR_CLNTERR: Client server error, host: localhost/,
    ],
    [
      'plain server',
      `employee@${plain.server}`,
      {},
      /^ERR_NETCRYPT: File requires network encryption/,
    ],
    ['encrypted server', `department@${encrypted.server}`, { tls }, inTls],
    ['encrypted server', `department@${encrypted.server}`, { options: '/encrypt', tls }, inTls],
    ['encrypted server', `employee@${encrypted.server}`, { tls }, inTls],
    ['local path', join(data, 'department.ism'), {}, inClear],
    ['local path', join(data, 'department.ism'), { options: '/encrypt' }, inClear],
    ['local path', join(data, 'employee.ism'), {}, inClear],
  ];
  for (const [route, filespec, options, wanted] of expected) {
    const name = /employee/.test(filespec) ? 'EMPLOYEE (flagged)' : 'DEPARTMENT';
    const got = await outcome(filespec, options);
    t.comment(`${route} | ${name} ${options.options ?? ''} | ${got}`);
    if (typeof wanted === 'string') t.equal(got, wanted, `${route}, ${name}`);
    else t.match(got, wanted, `${route}, ${name} ${options.options ?? ''}`);
  }
  t.equal(await plain.stop(), 0, 'the plain server stops cleanly');
  t.equal(await encrypted.stop(), 0, 'the encrypted server stops cleanly');
});
