import { mkdtempSync, rmSync } from 'node:fs';
import { orderSpec, orderText, makeOrderRows } from './select-harness.js';
import { makeGround, SessionHarness } from './session-harness.js';
import { open } from '../../server/operation/open.js';
import { localPaths } from '../../server/access/paths.js';
import { select } from '../../server/operation/select.js';
const dir = mkdtempSync('/tmp/s4bench/');
const ground = makeGround('lmdb');
const session = new SessionHarness(ground.services);
const spec = { ...orderSpec, record: { size: 200, format: 'fixed' as const } };
await session.call({ verb: 'create', name: dir + '/o.ism', spec });
await session.open(dir + '/o.ism');
const N = 100_000;
const rows = makeOrderRows(N);
for (let at = 0; at < N; at += 2000) await session.call({ verb: 'storeMany', records: rows.slice(at, at + 2000).map((o) => Buffer.from(orderText(o).padEnd(200))) });
const channel = await open(ground.services, { caller: { user: 't', route: { kind: 'local' } }, owner: { id: 9, label: 't' }, paths: localPaths } as any, { verb: 'open', name: dir + '/o.ism', mode: 'input', share: 'all', lock: 'none' });
const first: number[] = [], start: number[] = [], steps: number[] = [];
for (let r = 0; r < 60; r++) {
  let s = performance.now();
  const source = select(channel, { verb: 'select', action: 'count', query: { where: "note = 'note 5'" }, locking: false, onLocked: 'fail', waitMs: 0, credit: 1 }, undefined, new AbortController().signal);
  let n = 0;
  for (let last: any; !last; n++) {
    s = performance.now();
    const step: any = source.step();
    last = step.last;
    (n === 1 ? start : n === 2 ? first : steps).push(performance.now() - s);
    await new Promise(setImmediate);
  }
  await source.close();
}
const show = (name: string, v: number[]) => { const a = v.slice(Math.floor(v.length / 2)).sort((x, y) => x - y); console.log(name, a.length, 'p50', a[a.length >> 1]?.toFixed(3), 'p90', a[Math.floor(a.length * .9)]?.toFixed(3), 'p99', a[Math.floor(a.length * .99)]?.toFixed(3), 'max', a.at(-1)?.toFixed(3)); };
show('bind', start); show('plan', first); show('steps', steps);
await session.close(); await channel.hold.release(); await channel.file.close(); await ground.close(); rmSync(dir, { recursive: true });
