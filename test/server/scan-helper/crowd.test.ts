// Help is for machines with an idle core, and there is none for a while where it made a walk wait.

import t from 'tap';
import { Crowd, linuxScheduling } from '../../../server/scan-helper/crowd.js';
import { crowdedPauseMs, crowdedPauseMsMax, helpedWaitMsMax } from '../../../shared/base/limits.js';

t.test('there is help where fewer threads want to run than there are cores', async (t) => {
  let running = 1;
  let isClosed = false;
  const scheduling = {
    running: () => running,
    waitedMs: () => 0,
    close: () => {
      isClosed = true;
    },
  };
  const crowd = new Crowd(scheduling, 2);
  t.ok(crowd.isNone);
  running = 2;
  t.notOk(crowd.isNone);
  running = Number.POSITIVE_INFINITY;
  t.notOk(crowd.isNone, 'where it cannot be known');
  crowd.close();
  t.ok(isClosed);
});

t.test('help that makes a walk wait pauses, longer each time', async (t) => {
  const { now } = performance;
  t.teardown(() => {
    performance.now = now;
  });
  let ms = 1000;
  let waited = 0;
  performance.now = () => ms;
  const scheduling = { running: () => 1, waitedMs: () => waited, close: () => undefined };
  const crowd = new Crowd(scheduling, 2);
  const help = (tookMs: number, waitedMs: number): void => {
    crowd.helpBegins();
    ms += tookMs;
    waited += waitedMs;
    crowd.helpEnds();
  };
  help(20, helpedWaitMsMax + 1);
  t.ok(crowd.isNone, 'a little is nothing');
  for (let pauseMs = crowdedPauseMs; pauseMs < 4 * crowdedPauseMsMax; pauseMs *= 2) {
    help(20, 10);
    const expected = Math.min(pauseMs, crowdedPauseMsMax);
    ms += expected - 1;
    t.notOk(crowd.isNone, `${expected} ms`);
    ms += 1;
    t.ok(crowd.isNone);
  }
  help(20, 0);
  help(20, 10);
  ms += crowdedPauseMs;
  t.ok(crowd.isNone, 'after one that did not, it begins anew');
});

t.test(
  'Linux says how many want to run and how long we waited',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const scheduling = linuxScheduling();
    if (scheduling === undefined) throw new Error('it says nothing');
    t.ok(scheduling.running() >= 1);
    const before = scheduling.waitedMs();
    t.ok(before >= 0);
    t.ok(scheduling.waitedMs() >= before);
    scheduling.close();
  },
);
