// When a worker is given up: stopped soon, silent late, under a debugger never.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { type ProcessState, Pulse, processState, stateIn } from '../../../server/worker/pulse.js';
import { workerRoundsSilentMax, workerRoundsStoppedMax } from '../../../shared/base/limits.js';

function start(states: { now: ProcessState }) {
  const given: ProcessState[] = [];
  let asked = 0;
  const pulse = new Pulse({
    ask: () => asked++,
    state: () => states.now,
    giveUp: (state) => given.push(state),
  });
  /** Rounds until it is given up; undefined when it is not. */
  const roundsUntilGivenUp = (): number | undefined => {
    const before = given.length;
    for (let round = 0; round < 100; round++) {
      if (given.length > before) return round - 1; // the first asks
      pulse.beat();
    }
    return undefined;
  };
  return { pulse, given, asked: () => asked, roundsUntilGivenUp };
}

t.test('one that answers is asked each round and left alone', async (t) => {
  const { pulse, given, asked } = start({ now: 'alive' });
  for (let round = 0; round < 50; round++) {
    pulse.beat();
    pulse.heard(false);
  }
  t.strictSame([asked(), given], [50, []]);
});

t.test('one that is stopped is given up after two rounds, once', async (t) => {
  const { given, roundsUntilGivenUp } = start({ now: 'stopped' });
  t.equal(roundsUntilGivenUp(), workerRoundsStoppedMax);
  t.equal(roundsUntilGivenUp(), undefined);
  t.strictSame(given, ['stopped']);
});

t.test('one that is busy has longer, and begins anew when it answers', async (t) => {
  const { pulse, given, asked, roundsUntilGivenUp } = start({ now: 'alive' });
  for (let round = 0; round < workerRoundsSilentMax; round++) pulse.beat();
  pulse.heard(false);
  t.strictSame([asked(), given], [1, []]);
  t.equal(roundsUntilGivenUp(), workerRoundsSilentMax);
});

t.test('one that was stopped and goes on is left alone', async (t) => {
  const states: { now: ProcessState } = { now: 'stopped' };
  const { pulse, given } = start(states);
  for (let round = 0; round < workerRoundsStoppedMax; round++) pulse.beat();
  states.now = 'alive';
  pulse.beat();
  t.strictSame(given, []);
});

t.test('one under a debugger is never given up', async (t) => {
  t.equal(start({ now: 'debugged' }).roundsUntilGivenUp(), undefined);
  const { pulse, roundsUntilGivenUp } = start({ now: 'stopped' });
  pulse.beat();
  pulse.heard(true);
  t.equal(roundsUntilGivenUp(), undefined, 'it said so itself');
});

t.test('what the system says of a process', { skip: process.platform !== 'linux' }, async (t) => {
  const cases: readonly [status: string, state: ProcessState][] = [
    ['Name:\tnode\nState:\tS (sleeping)\nTracerPid:\t0\n', 'alive'],
    ['Name:\tT\nState:\tD (disk sleep)\nTracerPid:\t0\n', 'alive'],
    ['Name:\tnode\nState:\tT (stopped)\nTracerPid:\t0\n', 'stopped'],
    ['Name:\tnode\nState:\tt (tracing stop)\nTracerPid:\t17\n', 'debugged'],
    ['Name:\tnode\nState:\tT (stopped)\nTracerPid:\t17\n', 'debugged'],
    ['', 'alive'],
  ];
  for (const [status, state] of cases) t.equal(stateIn(status), state, status);
  const child = spawn('sleep', ['60']);
  t.teardown(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  t.equal(processState(pid), 'alive');
  child.kill('SIGSTOP');
  while (processState(pid) !== 'stopped') await new Promise(setImmediate);
  t.pass('stopped');
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.equal(processState(pid), 'alive', 'nothing is said of who is gone');
});
