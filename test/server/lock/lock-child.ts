// A process of its own for lock-process.test.ts: opens files of a directory and does what it is told
// over IPC, one answer for each request. `storm` locks and unlocks until it is killed.

import { createLockManager } from '../../../server/lock/create-lock-manager.js';
import { createLmdbLockStores } from '../../../server/lock/lmdb-lock-store.js';
import type { FileHold } from '../../../server/lock/lock-manager.js';
import { isRsyndError } from '../../../shared/base/error.js';
import { makeRfa } from '../../../shared/record/rfa.js';
import type { ChildRequest } from './child-process.js';

const manager = createLockManager(createLmdbLockStores());
const holds: FileHold[] = [];

process.on('message', async (message: ChildRequest & { id: number }) => {
  try {
    process.send?.({ id: message.id, answer: await carryOut(message) });
  } catch (error) {
    const code = isRsyndError(error) ? error.code : 'failed';
    process.send?.({ id: message.id, answer: code, text: String(error) });
  }
});

async function carryOut(request: ChildRequest): Promise<string | number> {
  switch (request.do) {
    case 'open': {
      const { path, claim, owner } = request;
      const label = `child${owner}`;
      return holds.push(await manager.claim(path, { id: owner, label }, claim)) - 1;
    }
    case 'lock':
      await holdAt(request.hold).lock(makeRfa(1, request.slot), { waitMs: request.waitMs });
      return 'locked';
    case 'unlock':
      await holdAt(request.hold).unlock(makeRfa(1, request.slot));
      return 'unlocked';
    case 'storm':
      setInterval(() => storm(holdAt(request.hold)), 0);
      return 'storming';
    case 'becomeNobody':
      if (process.geteuid?.() === 0) {
        process.setgroups?.([]);
        process.setgid?.(65534);
        process.setuid?.(65534);
      }
      return 'nobody';
  }
}

function holdAt(at: number): FileHold {
  const hold = holds[at];
  if (hold === undefined) throw new TypeError(`no hold ${at}`);
  return hold;
}

/** On records of its own: their block is its pid. */
function storm(hold: FileHold): void {
  for (let slot = 0; slot < 200; slot++) {
    hold.lock(makeRfa(process.pid, slot), { waitMs: 0 });
    if (slot >= 100) hold.unlock(makeRfa(process.pid, slot));
  }
  for (let slot = 0; slot < 100; slot++) hold.unlock(makeRfa(process.pid, slot));
}
