// Who connected by which protocol: what is counted, for how many, and that it outlives the server.

import t from 'tap';
import { readTlsUsage, TlsUsage } from '../../../server/observe/tls-usage.js';
import { StateDirectory } from '../../../server/state/state-directory.js';
import { usagePeersMax, usageUsersMax } from '../../../shared/base/limits.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

const old = {
  peer: { address: '10.0.0.1' },
  protocol: 'TLSv1.1',
  cipher: 'ECDHE-RSA-AES256-SHA',
};
const modern = {
  peer: { address: '10.0.0.1' },
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
};

t.test('two protocols of one address are two rows, each with its users', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  t.strictSame(readTlsUsage(state), []);
  const usage = new TlsUsage(state);
  usage.count(old, 1000);
  usage.count(modern, 2000);
  usage.noteUser(modern, 'alice');
  usage.noteUser(modern, 'alice');
  usage.count({ peer: { address: '10.0.0.2' } }, 3000);
  t.ok(usage.hasNews);
  usage.save();
  t.notOk(usage.hasNews);
  const address = '10.0.0.1';
  t.strictSame(readTlsUsage(state), [
    {
      ...{ address: '10.0.0.2', protocol: 'plain', cipher: '' },
      ...{ users: [], connections: 1, seen: 3000 },
    },
    {
      ...{ address, protocol: 'TLSv1.3', cipher: modern.cipher },
      ...{ users: ['alice'], connections: 1, seen: 2000 },
    },
    {
      ...{ address, protocol: 'TLSv1.1', cipher: old.cipher },
      ...{ users: [], connections: 1, seen: 1000 },
    },
  ]);
});

t.test('counting goes on where the last server stopped', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  for (const seen of [1, 2, 3]) {
    const usage = new TlsUsage(state);
    usage.count(old, seen);
    usage.noteUser(old, `user${seen}`);
    usage.count(old, seen);
    usage.save();
  }
  const [row] = readTlsUsage(state);
  t.match(row, { connections: 6, seen: 3, users: ['user1', 'user2', 'user3'] });
});

t.test('who is known is no news, and a damaged file is begun anew', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  state.write('.tls-usage.json', '{"peers": [{}]}');
  t.throws(() => readTlsUsage(state), { code: 'ERR_CONFIG', message: /tls-usage\.json/ });
  const usage = new TlsUsage(state);
  usage.count(old, 1);
  usage.save();
  usage.count(old, 2);
  t.notOk(usage.hasNews);
  usage.save();
  t.match(readTlsUsage(state), [{ connections: 2 }]);
});

t.test('rows and the users of a row have an end', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  const usage = new TlsUsage(state);
  for (let n = 0; n <= usagePeersMax; n++) {
    usage.count({ ...old, peer: { address: `host${n}` } }, n);
  }
  const last = { ...old, peer: { address: `host${usagePeersMax}` } };
  for (let n = 0; n <= usageUsersMax; n++) usage.noteUser(last, `user${n}`);
  usage.save();
  const rows = readTlsUsage(state);
  t.equal(rows.length, usagePeersMax);
  t.equal(rows.at(-1)?.address, 'host1');
  t.equal(rows[0]?.users.length, usageUsersMax);
});
