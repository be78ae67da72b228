// How many connections a process takes that may have so many files open.

import t from 'tap';
import {
  connectionsFor,
  descriptorsMax,
  socketsFor,
  waitingFor,
} from '../../server/descriptors.js';
import { connectionsMax, connectionsWaitingMax } from '../../shared/base/limits.js';

t.test('connections leave descriptors for files', async (t) => {
  const cases: readonly [descriptors: number | undefined, connections: number][] = [
    [undefined, connectionsMax],
    [1_048_576, connectionsMax],
    [20_000, 15_000],
    [1024, 768],
  ];
  for (const [descriptors, connections] of cases) {
    t.equal(connectionsFor(descriptors), connections, `of ${descriptors}`);
  }
});

t.test('strangers leave some, and do not keep out those who are to be served', async (t) => {
  for (const descriptors of [160, 1024, 20_000]) {
    const sockets = socketsFor(descriptors);
    t.ok(connectionsFor(descriptors) < sockets && sockets < descriptors, `of ${descriptors}`);
  }
  t.equal(socketsFor(undefined), Number.POSITIVE_INFINITY);
  t.strictSame([undefined, 1_048_576, 1024, 1].map(waitingFor), [
    connectionsWaitingMax,
    connectionsWaitingMax,
    512,
    1,
  ]);
});

t.test('ten thousand that stand still leave room for those who work', async (t) => {
  t.ok(connectionsMax > 11_000);
});

t.test('the limit of this process is a number, where the system says it', async (t) => {
  const found = descriptorsMax();
  t.ok(found === undefined || found > 0, `${found}`);
});
