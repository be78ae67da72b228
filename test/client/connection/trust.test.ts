// What `tls` of the options may hold, and what is said of everything else before anybody is connected to.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import t from 'tap';
import { loadTrust } from '../../../client/connection/trust.js';
import { resolveConnect, type TlsOptions } from '../../../client/open-options.js';
import { Authority, hasOpenssl, selfSigned } from '../../fixture/pki.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

const skip = hasOpenssl ? false : 'needs openssl';

t.test('authorities: a path, a text, a Buffer, a list; or what is wrong', { skip }, async (t) => {
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const below = root.intermediate('below');
  const leaf = below.issue('leaf');
  const self = selfSigned(pki, 'alone');
  const pem = readFileSync(root.cert, 'latin1');
  const good: Exclude<TlsOptions['ca'], undefined>[] = [
    root.cert,
    pem,
    Buffer.from(pem),
    [below.cert, root.cert],
    [leaf.chain, pem],
    self.cert,
  ];
  for (const ca of good) t.ok((await loadTrust({ ca }, 3, {})).needsChain);
  const damaged = pem.replace(/\n[A-Za-z0-9+/]{10}/, '\nAAAAAAAAAA');
  const request = '-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n';
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [join(pki, 'nowhere.pem'), /tls\.ca: the file .*nowhere\.pem is not there/],
    ['', /neither PEM text/],
    [[], /empty list/],
    [7, /must be a path, PEM text or a Buffer/],
    [Buffer.from('rubbish'), /no certificate in PEM form/],
    [readFileSync(root.key), /private key and no certificate; keys are for tls\.key/],
    [request, /but: CERTIFICATE REQUEST/],
    [damaged, /certificate 1 cannot be read: it is damaged/],
    [leaf.cert, /no root: CN=leaf was issued by CN=below; give the certificate of that authority/],
    [[leaf.cert, below.cert], /no root: CN=below was issued by CN=root/],
  ];
  for (const [ca, message] of cases) {
    await t.rejects(loadTrust({ ca: ca as never }, 3, {}), { code: 'ERR_TLSCONF', message });
  }
});

t.test('an own certificate that cannot work is named before connecting', { skip }, async (t) => {
  const pki = temporaryDirectory(t);
  const root = Authority.root(pki, 'root');
  const [one, other] = [root.issue('one'), root.issue('other')];
  const old = root.issue('old', { fromDay: -9, toDay: -2 });
  const early = root.issue('early', { fromDay: 2, toDay: 9 });
  t.ok(await loadTrust({ cert: one.chain, key: one.key }, 3, {}));
  const broken = join(pki, 'broken.key');
  writeFileSync(
    broken,
    readFileSync(one.key, 'latin1').replace(/\n[A-Za-z0-9+/]{10}/, '\nAAAAAAAAAA'),
  );
  const cases: readonly (readonly [TlsOptions, RegExp])[] = [
    [
      { cert: one.cert, key: other.key },
      /cannot be used together: .*CN=one, was issued for another key/,
    ],
    [{ cert: old.cert, key: old.key }, /CN=old, expired at \d{4}-/],
    [{ cert: early.cert, key: early.key }, /CN=early, is not valid before/],
    [{ cert: one.cert, key: one.cert }, /tls\.cert holds no private key; give it as tls\.key/],
    [{ cert: one.key, key: one.key }, /tls\.cert holds a private key and no certificate/],
    [{ cert: one.cert, key: broken }, /tls\.key cannot be read: it is damaged/],
  ];
  for (const [tls, message] of cases) {
    await t.rejects(loadTrust(tls, 3, {}), { code: 'ERR_TLSCONF', message });
  }
  t.throws(() => resolveConnect({ tls: { key: one.key } }), /without tls\.cert/);
  t.equal(resolveConnect({ tls: { cert: one.cert } }).tls.key, one.cert, 'one file may hold both');
});

t.test('tls.ocsp is checked by name', async (t) => {
  for (const ocsp of ['off', 'soft', { mode: 'hard', url: 'http://ca.example/' }] as const) {
    t.ok(resolveConnect({ tls: { ocsp } }));
  }
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    ['maybe', /'off', 'soft', 'hard'/],
    [{ mode: 'never' }, /'off', 'soft', 'hard'/],
    [null, /'off', 'soft', 'hard'/],
    [{ mode: 'hard', url: 'ldap://x' }, /http:\/\/HOST/],
    [{ mode: 'hard', urls: [] }, /"urls"/],
  ];
  for (const [ocsp, message] of wrong) {
    t.throws(() => resolveConnect({ tls: { ocsp: ocsp as never } }), {
      code: 'ERR_INVARG',
      message,
    });
  }
});

t.test('who checks no revocation loads no ASN.1', async (t) => {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path) || !existsSync(path)) return;
    seen.add(path);
    // Static imports of values only: `import type` and import() load nothing at the start.
    const text = readFileSync(path, 'utf8').replace(/^import type [\s\S]*?;$/gm, '');
    for (const [, target = ''] of text.matchAll(/^(?:import|export) [\s\S]*?from '([^']+)';$/gm)) {
      if (target.startsWith('.'))
        visit(normalize(join(dirname(path), target)).replace(/js$/, 'ts'));
      else if (!target.startsWith('node:')) packages.add(target);
    }
  };
  visit('client/index.ts');
  t.ok(seen.has('client/connection/trust.ts'), 'the walk reached the room in question');
  t.notOk(packages.has('pkijs') || packages.has('asn1js'), [...packages].join(' '));
});
