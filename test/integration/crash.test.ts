// Acknowledged is durable: the daemon is killed again and again under sixteen writers, and nothing that
// was acknowledged may be missing, double, or unknown to an index.

import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import {
  alpha,
  type Connection,
  connect,
  decimal,
  defineFile,
  isamc,
  open,
} from '../../client/index.js';
import { type RunningDaemon, runProgram, startDaemon } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const ROUNDS = Number(process.env.RSYND_CRASH_ROUNDS ?? 50);
const WRITERS = 16;

const ledgerFile = defineFile({
  fields: { entry: decimal(12), state: alpha(2), note: alpha(60) },
  keys: {
    entry: { parts: ['entry'] },
    state: { parts: ['state'], dups: 'fifo', modifiable: true },
    note: { parts: ['note'], dups: 'lifo', modifiable: true },
  },
});

/** What the writers know: for each entry the states that were acknowledged or asked for last. */
interface Known {
  /** The last acknowledged state. */
  acknowledged: string;
  /** A change that was under way when the server died: it may have happened or not. */
  attempted?: string;
}

t.setTimeout(290_000);

t.test('kill -9 under writers loses nothing acknowledged', { timeout: 280_000 }, async (t) => {
  const data = temporaryDirectory(t);
  const path = join(data, 'ledger.ism');
  await isamc(path, ledgerFile);
  const known = new Map<number, Known>();
  let next = 1;
  let slowestStartMs = 0;

  for (let round = 0; round < ROUNDS; round++) {
    const started = Date.now();
    const server = await startDaemon(t, ['-d', data, '-n', '-u', 'demo', '--log-level', 'error']);
    slowestStartMs = Math.max(slowestStartMs, Date.now() - started);
    const writers = Array.from({ length: WRITERS }, () =>
      writeUntilDeath(server, known, () => next++),
    );
    const goal = known.size + 40 + ((round * 37) % 200);
    const enough = (async () => {
      while (known.size < goal) await new Promise(setImmediate);
    })();
    await enough;
    server.process.kill('SIGKILL');
    await Promise.all([once(server.process, 'exit'), ...writers]);
  }

  const stored = new Map<number, string[]>();
  await using ledger = await open(path, { definition: ledgerFile });
  for await (const { entry, state } of ledger) {
    stored.set(entry, [...(stored.get(entry) ?? []), state]);
  }
  const missing = [...known].filter(
    ([entry, { acknowledged }]) => acknowledged !== '' && !stored.has(entry),
  );
  const double = [...stored].filter(([, states]) => states.length > 1);
  const wrong = [...stored].filter(([entry, [state]]) => {
    const { acknowledged, attempted } = known.get(entry) ?? { acknowledged: '?' };
    return state !== acknowledged && state !== attempted;
  });
  const acknowledged = [...known.values()].filter((each) => each.acknowledged !== '').length;
  t.comment(
    `${ROUNDS} kills, ${WRITERS} writers: ${acknowledged} acknowledged, ${stored.size} stored, ` +
      `${missing.length} missing, ${double.length} double, ${wrong.length} wrong; slowest start ${slowestStartMs} ms`,
  );
  t.ok(acknowledged >= ROUNDS * 40, 'the writers were heard');
  t.strictSame(missing, [], 'every acknowledged record is there');
  t.strictSame(double, [], 'none is there twice');
  t.strictSame(wrong, [], 'every record is as it was last acknowledged or attempted');
  await ledger.close();
  const verified = await runProgram('dist/server/isutl.js', ['-v', path]);
  t.equal(
    verified.code,
    0,
    `isutl -v finds all indexes sound: ${verified.stdout}${verified.stderr}`,
  );
});

/** Stores and changes records until the connection breaks. */
async function writeUntilDeath(
  server: RunningDaemon,
  known: Map<number, Known>,
  take: () => number,
): Promise<void> {
  let connection: Connection | undefined;
  try {
    connection = await connect(server.server, { encrypt: false, timeoutMs: 3000 });
    const ledger = await connection.open('ledger', { mode: 'update', definition: ledgerFile });
    for (;;) {
      const entry = take();
      const fate: Known = { acknowledged: '', attempted: 'A' };
      known.set(entry, fate);
      await ledger.store({ entry, state: 'A', note: `entry ${entry % 7}` });
      fate.acknowledged = 'A';
      if (entry % 3 !== 0) continue;
      fate.attempted = 'B';
      const record = await ledger.read(entry);
      await ledger.write({ ...record, state: 'B', note: 'changed' });
      fate.acknowledged = 'B';
    }
  } catch {
    await connection?.close(); // the server died, which is the point
  }
}
