// The thread that helps scans, as the server sees it: started when a long scan asks for the first time, ended when none
// did for a while and when the server stops. It helps one select at a time; the others, and whoever comes while it is
// being started or is lost, go without and never wait.
//
//   none ──begin──▶ running ──idle, lost, silent, close()──▶ none

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import {
  helperIdleMs,
  helperLookMs,
  helperMemoryMax,
  helperPauseMs,
  helperSilentMs,
} from '../../shared/base/limits.js';
import type { BoundExpression } from '../../shared/select/bound.js';
import type { UnmappedState } from '../storage/engine.js';
import { Board } from './board.js';
import { Crowd, linuxScheduling } from './crowd.js';
import type { Question } from './question.js';

/** What is used of the thread. */
export type HelperThread = Pick<Worker, 'on' | 'postMessage' | 'terminate' | 'unref'>;

export interface ScanHelperOptions {
  readonly crowd: Pick<Crowd, 'isNone' | 'helpBegins' | 'helpEnds' | 'close'>;
  /** @default startThread */
  readonly start?: () => HelperThread;
  /** Told when a thread ended by itself. */
  readonly onLost?: (why: string) => void;
}

/** Without our environment, which may hold a passphrase. Memory it wants beyond its limit ends it, not us. */
const startThread = (): HelperThread =>
  new Worker(new URL('./helper.js', import.meta.url), {
    argv: [],
    env: {},
    execArgv: [],
    name: 'scan helper',
    resourceLimits: { maxOldGenerationSizeMb: helperMemoryMax / 2 ** 20 },
  });

export class ScanHelper {
  /** Requests that came to this process so far, whoever asked. */
  requests = 0;
  readonly #crowd: ScanHelperOptions['crowd'];
  readonly #start: () => HelperThread;
  readonly #onLost: (why: string) => void;
  #thread: HelperThread | undefined;
  /** Of the select that was helped last. */
  #board: Board | undefined;
  /** Since when the last select wants no more help. */
  #stoppedMs = 0;
  /** Nobody is helped before then (performance.now). */
  #pausedUntilMs = 0;
  #idle: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Undefined where nobody would have time to help: on one core, or where it is not known what others need. */
  static forThisMachine(onLost: (why: string) => void): ScanHelper | undefined {
    const scheduling = availableParallelism() > 1 ? linuxScheduling() : undefined;
    return scheduling && new ScanHelper({ crowd: new Crowd(scheduling), onLost });
  }

  constructor({ crowd, start = startThread, onLost = () => undefined }: ScanHelperOptions) {
    this.#crowd = crowd;
    this.#start = start;
    this.#onLost = onLost;
  }

  /** Whether `begin` would be of use just now. */
  get isFree(): boolean {
    const nowMs = performance.now();
    if (this.#isClosed || nowMs < this.#pausedUntilMs) return false;
    this.#pausedUntilMs = nowMs + helperLookMs;
    const board = this.#board;
    if (board === undefined || board.isEnded) return this.#crowd.isNone;
    if (board.isStopped && nowMs - this.#stoppedMs > helperSilentMs) this.#lose('it is silent');
    return false;
  }

  get isRunning(): boolean {
    return this.#thread !== undefined;
  }

  /** Has the file looked through ahead of a walk that is in this part. For when it is free; `end` comes after it. */
  begin(state: UnmappedState, where: BoundExpression, part: number): Board {
    const board = new Board(part, this.#board?.isLeft === true ? this.#board.memory : undefined);
    const question: Question = { memory: board.memory, state, where };
    this.#board = board;
    this.#crowd.helpBegins();
    try {
      this.#thread ??= this.#startThread();
      this.#thread.postMessage(question);
    } catch (error) {
      this.#lose(reasonOf(error));
    }
    return board;
  }

  /** The walk wants no more help. */
  end(board: Board): void {
    board.stop();
    if (!this.#isClosed) this.#crowd.helpEnds();
    this.#stoppedMs = performance.now();
    if (this.#thread === undefined) return;
    this.#idle ??= setTimeout(() => this.#rest(), helperIdleMs).unref();
    this.#idle.refresh();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#crowd.close();
    await this.#drop();
  }

  #startThread(): HelperThread {
    const thread = this.#start();
    const lose = (why: string): void => {
      if (this.#thread === thread) this.#lose(why);
    };
    thread.unref();
    thread.on('error', (error: unknown) => lose(reasonOf(error)));
    thread.on('exit', (code) => lose(`it ended with ${code}`));
    return thread;
  }

  #lose(why: string): void {
    this.#pausedUntilMs = performance.now() + helperPauseMs;
    void this.#drop();
    this.#onLost(why);
  }

  #rest(): void {
    if (this.#board?.isEnded === false) this.#idle?.refresh();
    else void this.#drop();
  }

  async #drop(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    this.#board?.endForThread();
    this.#board = undefined;
    clearTimeout(this.#idle);
    this.#idle = undefined;
    await thread?.terminate();
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : 'an error');
