// The thread's life: begun when it is wanted, one select at a time, ended when idle, silent, lost or closed.

import { spawnSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import t, { type Test } from 'tap';
import { HelperBoard } from '../../../server/scan-helper/board.js';
import { isSendable, type Question, questionFrom } from '../../../server/scan-helper/question.js';
import { type HelperThread, ScanHelper } from '../../../server/scan-helper/scan-helper.js';
import type { UnmappedState } from '../../../server/storage/engine.js';
import {
  helpedConditionMax,
  helperIdleMs,
  helperLookMs,
  helperPauseMs,
  helperSilentMs,
} from '../../../shared/base/limits.js';
import type { BoundExpression } from '../../../shared/select/bound.js';

const state: UnmappedState = {
  path: '/nowhere',
  identity: '0:0',
  transaction: 1,
  blocksRoot: 2,
  lastPage: 3,
  blockBytes: 4072,
  overheadBytes: 4,
  nextBlock: 5,
  proven: new Uint32Array(new SharedArrayBuffer(0)),
};
const where: BoundExpression = { op: 'constant', value: true };

class FakeThread extends EventEmitter {
  readonly questions: Question[] = [];
  isTerminated = false;

  postMessage(question: Question): void {
    this.questions.push(question);
  }

  /** Says that it has done with the last question. */
  endLast(): void {
    const { memory } = this.questions.at(-1) ?? {};
    if (memory !== undefined) new HelperBoard(memory).end();
  }

  unref(): void {}

  async terminate(): Promise<number> {
    this.isTerminated = true;
    return 1;
  }
}

/** Threads that do nothing, and time that goes on when it is told to. */
function makeScene(t: Test) {
  const { now } = performance;
  const { setTimeout: realTimeout } = globalThis;
  const scene = { ms: 1000, isCrowd: false, idle: (): void => undefined };
  performance.now = () => scene.ms;
  const stub = (step: () => void, ms: number): NodeJS.Timeout => {
    if (ms === helperIdleMs) scene.idle = step;
    return realTimeout(() => undefined, 1);
  };
  globalThis.setTimeout = stub as typeof setTimeout;
  t.teardown(() => {
    performance.now = now;
    globalThis.setTimeout = realTimeout;
  });
  const threads: FakeThread[] = [];
  const lost: string[] = [];
  const helper = new ScanHelper({
    crowd: {
      get isNone() {
        return !scene.isCrowd;
      },
      helpBegins: () => undefined,
      helpEnds: () => undefined,
      close: () => undefined,
    },
    start: () => {
      const thread = new FakeThread();
      threads.push(thread);
      return thread as unknown as HelperThread;
    },
    onLost: (why) => lost.push(why),
  });
  const isFree = (): boolean => {
    scene.ms += helperLookMs;
    return helper.isFree;
  };
  return { scene, helper, threads, lost, isFree };
}

t.test('it helps one select at a time, where a core is idle', async (t) => {
  const { scene, helper, threads, isFree } = makeScene(t);
  scene.isCrowd = true;
  t.notOk(isFree());
  scene.isCrowd = false;
  t.ok(isFree());
  t.notOk(helper.isFree, 'it is not looked again so soon');
  t.equal(threads.length, 0, 'no thread is made before it is wanted');
  const board = helper.begin(state, where, 4);
  const [thread] = threads;
  t.equal(thread?.questions[0]?.memory, board.memory);
  t.notOk(isFree());
  helper.end(board);
  t.notOk(isFree(), 'the thread may still be at it');
  thread?.endLast();
  t.ok(isFree());
  const next = helper.begin(state, where, 4);
  t.equal(threads.length, 1);
  t.equal(next.memory, board.memory, 'memory is used again');
  thread?.endLast();
  t.ok(isFree());
  t.not(helper.begin(state, where, 4).memory, board.memory, 'but not while a walk takes from it');
});

t.test('one that is lost leaves everybody alone for a while', async (t) => {
  const { scene, helper, threads, lost, isFree } = makeScene(t);
  t.ok(isFree());
  const board = helper.begin(state, where, 4);
  threads[0]?.emit('error', new Error('out of memory'));
  threads[0]?.emit('exit', 1);
  t.same(lost, ['out of memory']);
  t.notOk(helper.isRunning);
  helper.end(board);
  t.notOk(isFree());
  scene.ms += helperPauseMs;
  t.ok(isFree());
  helper.begin(state, where, 4);
  threads[1]?.emit('exit', 1);
  t.equal(lost.length, 2);
});

t.test('one that cannot be started is lost too', async (t) => {
  const lost: string[] = [];
  const helper = new ScanHelper({
    crowd: {
      isNone: true,
      helpBegins: () => undefined,
      helpEnds: () => undefined,
      close: () => undefined,
    },
    start: () => {
      throw new Error('no more threads');
    },
    onLost: (why) => lost.push(why),
  });
  t.ok(helper.isFree);
  const board = helper.begin(state, where, 4);
  t.ok(board.isEnded);
  t.same(lost, ['no more threads']);
  t.notOk(helper.isFree);
});

t.test('one that does not stop is ended', async (t) => {
  const { scene, helper, threads, lost, isFree } = makeScene(t);
  t.ok(isFree());
  const board = helper.begin(state, where, 4);
  scene.ms += 10 * helperSilentMs;
  t.notOk(isFree());
  t.same(lost, [], 'a walk may take long');
  helper.end(board);
  scene.ms += helperSilentMs + 1;
  t.notOk(isFree());
  t.same(lost, ['it is silent']);
  t.ok(threads[0]?.isTerminated);
});

t.test('one that nobody asks is ended, and made again', async (t) => {
  const { scene, helper, threads, lost, isFree } = makeScene(t);
  t.ok(isFree());
  helper.end(helper.begin(state, where, 4));
  scene.idle();
  t.notOk(threads[0]?.isTerminated, 'it is not idle yet');
  threads[0]?.endLast();
  scene.idle();
  t.ok(threads[0]?.isTerminated);
  threads[0]?.emit('exit', 1);
  t.same(lost, []);
  t.ok(isFree());
  helper.begin(state, where, 4);
  t.equal(threads.length, 2);
});

t.test('a closed one helps nobody', async (t) => {
  const { helper, threads, isFree } = makeScene(t);
  t.ok(isFree());
  const board = helper.begin(state, where, 4);
  await helper.close();
  await helper.close();
  t.ok(threads[0]?.isTerminated);
  t.notOk(isFree());
  helper.end(board);
});

t.test('a thread keeps no process alive, and loads nothing of LMDB', async (t) => {
  const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    const { ScanHelper } = await import(${url('../../../server/scan-helper/scan-helper.js')});
    const { Board } = await import(${url('../../../server/scan-helper/board.js')});
    const { createRequire } = await import('node:module');
    const crowd = { isNone: true, helpBegins() {}, helpEnds() {}, close() {} };
    const helper = new ScanHelper({ crowd, onLost: console.log });
    const state = { path: '/nowhere', identity: '', nextBlock: 5, blockBytes: 4072, lastPage: 1 };
    const board = helper.begin(state, { op: 'constant', value: true }, 0);
    while (!board.isEnded) await new Promise((next) => setTimeout(next, 1));
    const { report } = process;
    console.log(report.getReport().sharedObjects.some((path) => path.includes('lmdb')));`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  t.equal(status, 0);
  t.equal(stdout, 'false\n');
});

t.test('what is no question is refused, and a large condition is not sent', async (t) => {
  const memory = new SharedArrayBuffer(8);
  for (const value of [null, 1, [], {}, { memory, state }, { memory: {}, state, where }]) {
    t.throws(() => questionFrom(value), TypeError);
  }
  const operand = { text: 'a', offset: 0, length: 2, type: 'alpha', precision: 0 } as const;
  const text = { kind: 'text', bytes: Buffer.from('ab') } as const;
  const among = (count: number): BoundExpression => ({
    op: 'in',
    operand,
    values: Array.from({ length: count }, () => text),
    nocase: false,
    negated: false,
  });
  const sent = structuredClone({ memory, state, where: among(2) });
  const got = questionFrom(sent).where;
  t.same(got, among(2));
  t.ok(
    got.op === 'in' &&
      got.values.every((value) => 'bytes' in value && Buffer.isBuffer(value.bytes)),
  );
  t.ok(isSendable(among(helpedConditionMax)));
  t.notOk(isSendable(among(helpedConditionMax + 1)));
  t.notOk(isSendable({ op: 'and', terms: [among(helpedConditionMax), where] }));
  const long = { ...operand, length: 200_000 };
  const pattern = ['any', { literal: Buffer.from('ab') }, 'any'] as const;
  t.notOk(isSendable({ op: 'like', operand: long, pattern, nocase: false, negated: false }));
});
