// Clients seen lately: what is remembered, for how many, and what a rehearsed change makes of them.

import { X509Certificate } from 'node:crypto';
import t from 'tap';
import { issueDevelopmentCertificate } from '../../../server/certificate/issue-self-signed.js';
import { rehearse } from '../../../server/certificate/rehearse.js';
import {
  ClientJournal,
  readSeenClients,
  type SeenClient,
} from '../../../server/observe/client-journal.js';
import { StateDirectory } from '../../../server/state/state-directory.js';
import { clientsRememberedMax } from '../../../shared/base/limits.js';
import { splitPem } from '../../../shared/tls/pem.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

const client = (more: Partial<SeenClient> = {}): SeenClient => ({
  address: '10.0.0.1',
  user: 'alice',
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  serverName: 'books.example',
  seen: 1000,
  ...more,
});

/** The certificate of one installation, and the authority above it. */
async function issued(host: string) {
  const { serverPem, caPem } = await issueDevelopmentCertificate({ hosts: [host], keyBits: 2048 });
  const [leaf = ''] = splitPem(serverPem).certificates;
  return { pem: leaf, leaf: new X509Certificate(leaf), authority: new X509Certificate(caPem) };
}
const ours = await issued('books.example');
const other = await issued('other.example');

/** The verdict and the reasons for one client. */
const judge = (seen: SeenClient, change: Parameters<typeof rehearse>[1]) => {
  const [row] = rehearse([seen], change);
  return `${row?.verdict} ${row?.reasons.join('; ')}`.trim();
};

t.test('a client is remembered by user, address and certificate, the latest first', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  const journal = new ClientJournal(state);
  journal.note(client());
  journal.note(client({ user: 'bob', seen: 2000 }));
  journal.note(client({ seen: 3000, protocol: 'TLSv1.2' }));
  journal.save();
  const seen = readSeenClients(state);
  t.strictSame(
    seen.map(({ user, protocol, seen: at }) => [user, protocol, at]),
    [
      ['alice', 'TLSv1.2', 3000],
      ['bob', 'TLSv1.3', 2000],
    ],
  );
  const next = new ClientJournal(state);
  next.note(client({ user: 'carol', seen: 4000 }));
  next.save();
  t.strictSame(
    readSeenClients(state).map(({ user }) => user),
    ['carol', 'alice', 'bob'],
  );
});

t.test('a new client and one that comes otherwise are news, a known one is not', async (t) => {
  const journal = new ClientJournal(new StateDirectory(temporaryDirectory(t)));
  const isNews = (more: Partial<SeenClient>): boolean => {
    journal.save();
    journal.note(client(more));
    return journal.hasNews;
  };
  t.ok(isNews({}));
  t.notOk(isNews({ seen: 2000 }));
  t.ok(isNews({ protocol: 'TLSv1.2' }));
  t.ok(isNews({ protocol: 'TLSv1.2', serverName: 'other.example' }));
  t.ok(isNews({ user: 'bob' }));
});

t.test('the oldest client is forgotten past the limit', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  const journal = new ClientJournal(state);
  for (let n = 0; n <= clientsRememberedMax; n++) journal.note(client({ user: `u${n}`, seen: n }));
  journal.save();
  const seen = readSeenClients(state);
  t.equal(seen.length, clientsRememberedMax);
  t.equal(seen.at(-1)?.user, 'u1');
});

t.test('a damaged journal is begun anew by the server and named by tools', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  state.write('.clients.json', '{"clients": [{}]}');
  t.throws(() => readSeenClients(state), { code: 'ERR_CONFIG', message: /\.clients\.json/ });
  const journal = new ClientJournal(state);
  journal.note(client());
  journal.save();
  t.equal(readSeenClients(state).length, 1);
});

t.test('a higher level refuses clients by their best protocol and cipher', async (t) => {
  t.equal(judge(client(), { level: 4 }), 'served');
  t.match(
    judge(client({ protocol: 'TLSv1.2', cipher: 'ECDHE-RSA-AES128-GCM-SHA256' }), { level: 4 }),
    /^refused its newest protocol is TLSv1\.2/,
  );
  t.match(
    judge(client({ protocol: 'TLSv1.2', cipher: 'AES256-GCM-SHA384' }), { level: 3 }),
    /^refused its best cipher is AES256-GCM-SHA384/,
  );
  t.equal(
    judge(client({ protocol: 'TLSv1.2', cipher: 'AES256-GCM-SHA384' }), { level: 2 }),
    'served',
  );
  const { protocol: _, cipher: __, ...plain } = client();
  t.match(judge(plain, { level: 1 }), /^refused it came without TLS/);
});

t.test('a certificate for other names refuses, one of another issuer is told', async (t) => {
  t.equal(judge(client(), { certificate: [ours.leaf], current: [ours.leaf] }), 'served');
  t.match(
    judge(client(), { certificate: [other.leaf], current: [ours.leaf] }),
    /^refused it asks for books\.example.*the issuer changes/,
  );
  t.match(
    judge(client({ serverName: 'other.example' }), {
      certificate: [other.leaf],
      current: [ours.leaf],
    }),
    /^unknown the issuer changes/,
  );
});

t.test('client certificates are judged by authority, date and revocation', async (t) => {
  const required = { clientAuth: 'required', authorities: [ours.authority] } as const;
  t.match(judge(client(), required), /^refused it showed no certificate/);
  t.equal(judge(client({ chain: [ours.pem] }), required), 'served');
  t.match(judge(client({ chain: [other.pem] }), required), /^refused no authority stands behind/);
  const revoked = new Set([ours.leaf.serialNumber]);
  t.match(judge(client({ chain: [ours.pem] }), { ...required, revoked }), /would be revoked/);
  const later = Date.parse(ours.leaf.validTo) + 1;
  const [row] = rehearse([client({ chain: [ours.pem] })], required, later);
  t.match(row?.reasons.join(), 'has expired');
  t.equal(judge(client(), { clientAuth: 'none', authorities: [] }), 'served');
});
