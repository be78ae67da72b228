// Patterns, roles, certificate rules, and the gate that puts them to use.

import { join } from 'node:path';
import t from 'tap';
import { matchesRule, parseCertificateRule } from '../../../server/access/certificate-rule.js';
import { parseFilePattern } from '../../../server/access/file-pattern.js';
import { createGate, type Route } from '../../../server/access/gate.js';
import type { PeerIdentity } from '../../../server/access/peer-identity.js';
import { type Action, type Role, rightsOf } from '../../../server/access/rights.js';
import { requireUserName } from '../../../server/access/user.js';
import { isRsyndError } from '../../../shared/base/error.js';
import { fileNameBytesMax, userNameBytesMax } from '../../../shared/base/limits.js';

/** The code a call throws, or `fine`. */
function codeOf(call: () => unknown): string {
  try {
    call();
    return 'fine';
  } catch (error) {
    return isRsyndError(error) ? error.code : String(error);
  }
}

t.test('a pattern fits the names it says', async (t) => {
  const cases: readonly (readonly [pattern: string, yes: string[], no: string[]])[] = [
    ['orders', ['orders'], ['order', 'orderss', 'Orders', 'x/orders', '']],
    ['*', ['orders', 'x'], ['x/y']],
    ['**', ['orders', 'x/y/z'], []],
    ['sales/*', ['sales/x'], ['sales', 'sales/x/y', 'salesx', 'other/x']],
    ['sales/**', ['sales/x', 'sales/x/y'], ['sales', 'salesx/y']],
    ['**/orders', ['orders', 'a/orders', 'a/b/orders'], ['xorders', 'a/xorders', 'orders/x']],
    ['a/**/z', ['a/z', 'a/b/z', 'a/b/c/z'], ['az', 'a/bz', 'xa/z', 'a/z/x']],
    ['*/b*', ['a/b', 'x/bcd'], ['b', 'a/c/b', 'a/cb']],
    ['a*b*c', ['abc', 'aXbYc', 'abbcc'], ['ab/c', 'acb']],
    ['a**c', ['ac', 'a/b/c', 'abc'], ['a', 'c']],
    ['**/*.dat', ['x.dat', 'a/x.dat'], ['x.ism']],
    ['M\u00fcller', ['M\u00fcller'], ['Muller', 'm\u00fcller']],
    ['a.c', ['a.c'], ['abc']],
    ['a+', ['a+'], ['aa']],
    ['**/**/x', ['x', 'a/x', 'a/b/c/x'], ['xx']],
  ];
  for (const [pattern, yes, no] of cases) {
    const fits = parseFilePattern(pattern);
    for (const name of yes) t.ok(fits(name), `${pattern} fits ${name}`);
    for (const name of no) t.notOk(fits(name), `${pattern} does not fit ${name}`);
  }
});

t.test('what is no pattern is refused with the reason', async (t) => {
  const bad = ['', '/x', 'x/', 'a//b', '../x', 'a/./b', '.rsynd/*', '***', 'a?', '[ab]', '{a,b}'];
  for (const pattern of [...bad, 'a\\b', 'a\nb', 'a\u202eb', 'x'.repeat(fileNameBytesMax + 1)]) {
    t.equal(
      codeOf(() => parseFilePattern(pattern)),
      'ERR_INVARG',
      JSON.stringify(pattern),
    );
  }
});

t.test('no pattern takes long, however it is meant', async (t) => {
  const fits = parseFilePattern(`${'*a'.repeat(200)}b`);
  const before = performance.now();
  for (let round = 0; round < 20; round++) t.notOk(fits('a'.repeat(500)));
  const everywhere = parseFilePattern(`${'**/'.repeat(100)}b`);
  for (let round = 0; round < 20; round++) t.notOk(everywhere('a/'.repeat(250)));
  t.ok(performance.now() - before < 10_000, 'a backtracking matcher would not end at all');
});

t.test('roles by actions, and nothing by default', async (t) => {
  const matrix: { readonly [role in Role]: readonly Action[] } = {
    read: ['read'],
    update: ['read', 'update'],
    create: ['create'],
    admin: ['read', 'update', 'create'],
  };
  const actions: readonly Action[] = ['read', 'update', 'create'];
  for (const role of ['read', 'update', 'create', 'admin'] as const) {
    const allows = rightsOf([{ role, files: 'sales/*' }]);
    for (const action of actions) {
      t.equal(allows(action, 'sales/x.ism'), matrix[role].includes(action), `${role}: ${action}`);
      t.notOk(allows(action, 'other/x.ism'), 'and of other files nothing');
    }
  }
  t.notOk(rightsOf([])('read', 'orders.ism'));
  const two = rightsOf([
    { role: 'read', files: '**' },
    { role: 'create', files: 'new/*' },
  ]);
  t.ok(two('create', 'new/x.ism') && two('read', 'new/x.ism'), 'grants add up');
  t.notOk(two('update', 'new/x.ism'), 'to no more than their sum');
});

t.test('the default extension makes no difference, another does', async (t) => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['orders', 'orders.ism', true],
    ['orders.ism', 'orders.ism', true],
    ['*.ism', 'orders.ism', true],
    ['*.ism', 'orders.dat', false],
    ['orders', 'orders.dat', false],
    ['orders.dat', 'orders.dat', true],
    ['*', 'orders.dat', true],
  ];
  for (const [files, name, expected] of cases) {
    t.equal(rightsOf([{ role: 'read', files }])('read', name), expected, `${files}: ${name}`);
  }
});

t.test('the gate judges remote callers by the place a name leads to', async (t) => {
  const root = '/srv/data';
  const allows = rightsOf([{ role: 'read', files: 'open/*' }]);
  const gate = createGate(undefined, {
    root,
    allows: (_user, action, file) => allows(action, file),
  });
  const remote: Route = { kind: 'remote', encrypted: true, peer: 'p' };
  const judge = (name: string, path: string | undefined, action: Action, route = remote) => {
    const place = { name, ...(path === undefined ? {} : { path: join(root, path) }) };
    try {
      gate.permit({ user: 'ann', route }, place, action);
      return 'fine';
    } catch (error) {
      return isRsyndError(error, 'ERR_PROTEC') ? error.message : String(error);
    }
  };
  t.equal(judge('open/x', 'open/x.ism', 'read'), 'fine');
  t.equal(judge('alias', 'open/x.ism', 'read'), 'fine', 'a link into the granted files');
  t.equal(judge('open/nowhere/x', undefined, 'read').slice(0, 9), 'Protectio', 'no such directory');
  t.match(judge('open/x', 'open/x.ism', 'update'), /rsynctl user grant ann update 'open\/x'$/);
  t.match(
    judge('closed', 'closed.ism', 'read'),
    /^Protection violation: user ann has not the right read on closed;/,
  );
  t.match(judge('open/link', 'closed/pay.ism', 'read'), /the name is a link/);
  t.notMatch(judge('open/link', 'closed/pay.ism', 'read'), /pay/, 'it does not say where to');
  t.notMatch(judge('shut/link', 'closed/pay.ism', 'read'), /is a link/, 'nor that it is one');
  t.match(judge("it's", "it's.ism", 'read'), /'it'\\''s'$/, 'the command can be pasted');
  t.equal(
    judge('closed', 'closed.ism', 'create', { kind: 'local' } as never),
    'fine',
    'the system judges those',
  );
});

const identity: PeerIdentity = {
  fingerprint: 'ab'.repeat(32),
  subject: 'CN=alice\\, the first,OU=CN\\=mallory,O=Acme',
  issuer: 'CN=ca',
  serial: '01',
  names: ['dns:Alice.Example', 'email:alice@Example.COM', 'uri:urn:x:Alice', 'ip:10.0.0.1'],
  notAfter: 0,
};

t.test('certificate rules', async (t) => {
  const cases: readonly (readonly [string, boolean])[] = [
    [`sha256:${'AB:'.repeat(31)}AB`, true],
    [`SHA256:${'ab'.repeat(32)}`, true],
    [`sha256:${'ac'.repeat(32)}`, false],
    ['subject:CN=alice\\, the first,OU=CN\\=mallory,O=Acme', true],
    ['subject:CN=alice\\, the first', false],
    ['cn:alice, the first', true],
    ['cn:alice', false],
    ['cn:mallory', false],
    ['dns:alice.example', true],
    ['dns:example', false],
    ['email:alice@example.com', true],
    ['email:Alice@example.com', false],
    ['uri:urn:x:Alice', true],
    ['uri:urn:x:alice', false],
    ['dns:urn:x:Alice', false],
  ];
  for (const [rule, expected] of cases) {
    t.equal(matchesRule(parseCertificateRule(rule), identity), expected, rule);
  }
  for (const rule of [
    '',
    'alice',
    'cn:',
    'ip:10.0.0.1',
    'sha256:12',
    'dns:*.example',
    `cn:${'x'.repeat(2000)}`,
  ]) {
    t.equal(
      codeOf(() => parseCertificateRule(rule)),
      'ERR_INVARG',
      rule.slice(0, 20),
    );
  }
});

t.test('user names are plain text', async (t) => {
  for (const name of [
    'alice',
    'a.b@c.example',
    'J\u00fcrgen',
    'x',
    '_svc',
    'x'.repeat(userNameBytesMax),
  ]) {
    t.equal(
      codeOf(() => requireUserName(name)),
      'fine',
      name.slice(0, 20),
    );
  }
  const bad = [
    '',
    ' x',
    'x y',
    'a:b',
    'a\nb',
    'a\u0000',
    '-x',
    '.x',
    'a/b',
    'a\\b',
    'a\u00a0b',
    'a\u202eb',
  ];
  for (const name of [...bad, 'u\u0308', 'x'.repeat(userNameBytesMax + 1)]) {
    t.equal(
      codeOf(() => requireUserName(name)),
      'ERR_INVARG',
      JSON.stringify(name.slice(0, 20)),
    );
  }
});
