// Levels 1 to 4 of the running daemon against the real openssl: who gets in, and what the log then says.

import { spawnSync } from 'node:child_process';
import t from 'tap';
import { writeCertificate } from '../fixture/certificate.js';
import { startDaemon } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const PROTOCOLS = ['tls1', 'tls1_1', 'tls1_2', 'tls1_3'] as const;
/** Lowest protocol of each level, as an index into PROTOCOLS (CONTRACT: security compliance levels). */
const LOWEST = { 1: 0, 2: 1, 3: 2, 4: 3 } as const;

/** True when the handshake succeeds; never blocks for long. */
function connects(port: number, ca: string, args: readonly string[]): boolean {
  const all = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost'];
  const { stdout } = spawnSync(
    'openssl',
    [...all, '-CAfile', ca, '-verify_return_error', ...args],
    {
      input: '',
      timeout: 10_000,
      encoding: 'utf8',
    },
  );
  return /Verify return code: 0/.test(stdout) && !/Cipher is \(NONE\)/.test(stdout);
}

for (const [text, lowest] of Object.entries(LOWEST)) {
  t.test(`level ${text}`, { skip: hasOpenssl ? false : 'needs openssl' }, async (t) => {
    const data = temporaryDirectory(t);
    const { bundle, ca } = await writeCertificate(data);
    const args = ['-d', data, '-n', '-u', 'demo', '-encrypt', `-scl=${text}`, `-cert=${bundle}`];
    const server = await startDaemon(t, args);
    const row: string[] = [];
    PROTOCOLS.forEach((protocol, index) => {
      const cipher = index < 2 ? ['-cipher', 'DEFAULT:@SECLEVEL=0'] : [];
      const got = connects(server.port, ca, [`-${protocol}`, ...cipher]);
      row.push(`${protocol} ${got ? 'in' : 'refused'}`);
      t.equal(got, index >= lowest, `${protocol} ${index >= lowest ? 'gets in' : 'is refused'}`);
    });
    t.comment(`scl ${text}: ${row.join(', ')}`);
    for (const cipher of ['NULL-SHA256', 'RC4-SHA', 'DES-CBC3-SHA', 'ADH-AES256-GCM-SHA384']) {
      const weak = ['-tls1_2', '-cipher', `${cipher}:@SECLEVEL=0`];
      t.notOk(connects(server.port, ca, weak), `${cipher} is refused`);
    }
    if (lowest === 0) return;
    const refused = await server.logLine((line) => /refused/.test(String(line.msg)), 1000);
    t.match(refused, { peer: { address: '127.0.0.1' }, reason: /\w/, advice: /\w/ });
    t.comment(`log: ${JSON.stringify(refused)}`);
  });
}
