// One worker as the supervisor sees it: a process, what it was told, and the connections it was given. They are
// handed over one at a time, each when the one before has arrived, so that a worker that dies loses one at most.
//
//   starting ─ready─▶ ready ─leaving, stop─▶ stopping ─exit─▶ ended          (exit may come at any time)

import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import {
  connectionHandedMs,
  connectionsHandedMax,
  drainDeadlineMs,
  workerRoundMs,
  workerStartMs,
  workerStopMs,
} from '../../shared/base/limits.js';
import { ignoreError } from '../net/arrival.js';
import { errorOf } from './failure.js';
import { type FromWorker, messageFrom, type ToWorker, type WorkerStart } from './message.js';
import type { Place } from './placement.js';
import { type ProcessState, Pulse, processState } from './pulse.js';

const PROGRAM = fileURLToPath(new URL('./worker-main.js', import.meta.url));

export interface WorkerProcessOptions {
  readonly start: WorkerStart;
  /** What is not about its own life and connections. */
  onMessage(message: FromWorker): void;
  /** It may take a connection, or one more. */
  onFree(): void;
  /** It does not answer any more and is being killed. */
  onSilent(state: ProcessState): void;
  /** How often it is asked whether it is there. @default workerRoundMs */
  readonly roundMs?: number | undefined;
}

/** How a worker ended. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly livedMs: number;
  /** False when it never came to serve. */
  readonly hasServed: boolean;
  /** What it said of itself, if anything. */
  readonly error: Error | undefined;
}

/** Lets glibc give back what LMDB allocates for each open file and does not use (ARCHITECTURE.md, Known limits). */
const FOR_MANY_FILES = { MALLOC_MMAP_THRESHOLD_: '131072' };

export class WorkerProcess implements Place {
  readonly number: number;
  /** Never rejects. */
  readonly ended: Promise<WorkerEnd>;
  readonly #options: WorkerProcessOptions;
  readonly #child: ChildProcess;
  /** On their way; the first is being handed over. */
  readonly #inHand: Socket[] = [];
  /** Handed over since it started. */
  #handed = 0;
  #asking: NodeJS.Timeout | undefined;
  #killer: NodeJS.Timeout;
  readonly #pulse: Pulse;
  #round: NodeJS.Timeout | undefined;
  #connections = 0;
  #state: 'starting' | 'ready' | 'stopping' | 'ended' = 'starting';
  #hasServed = false;
  #error: Error | undefined;
  #onReady: () => void = () => undefined;

  constructor(options: WorkerProcessOptions) {
    this.#options = options;
    this.number = options.start.number;
    this.#child = fork(PROGRAM, [], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...FOR_MANY_FILES, ...process.env },
    });
    this.#killer = this.#killAfter(workerStartMs);
    this.#pulse = this.#makePulse();
    this.ended = this.#watchEnd();
    this.#child.on('message', (value) => this.#hear(messageFrom<FromWorker>(value)));
    this.send({ kind: 'start', ...options.start });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Connections it was given that have not ended. */
  get connections(): number {
    return this.#connections;
  }

  get isServing(): boolean {
    return this.#state === 'ready';
  }

  get mayTake(): boolean {
    return this.isServing && this.#inHand.length < connectionsHandedMax;
  }

  /** Resolves when it serves; rejects when it ends before. */
  async waitUntilReady(): Promise<void> {
    if (this.#state === 'ready') return;
    const ready = new Promise<undefined>((resolve) => {
      this.#onReady = () => resolve(undefined);
    });
    const end = await Promise.race([ready, this.ended]);
    if (end === undefined) return;
    throw end.error ?? new Error(`worker ${this.number} ended with ${end.signal ?? end.code}`);
  }

  hand(socket: Socket): void {
    socket.on('error', ignoreError);
    this.#connections++;
    if (this.#inHand.push(socket) === 1) this.#handFirst();
  }

  /** Connections that did not reach it, for others; once it has ended. */
  takeUnserved(): readonly Socket[] {
    // The first may have reached it: then it has begun what nobody else can go on with.
    this.#inHand.shift()?.destroy();
    return this.#inHand.splice(0);
  }

  /** Nothing happens when it is gone: whoever waits for it hears of its end. */
  send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, ignoreError);
  }

  /** Lets it drain and end; it is killed when it does not in time. Resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.#state === 'starting' || this.#state === 'ready') {
      this.#state = 'stopping';
      clearInterval(this.#round); // it has a deadline of its own now
      this.send({ kind: 'stop' });
      clearTimeout(this.#killer);
      this.#killer = this.#killAfter(drainDeadlineMs + workerStopMs);
    }
    await this.ended;
  }

  #watchEnd(): Promise<WorkerEnd> {
    const startedAt = performance.now();
    return new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        clearTimeout(this.#killer);
        clearTimeout(this.#asking);
        clearInterval(this.#round);
        const hasServed = this.#hasServed;
        const livedMs = hasServed ? performance.now() - startedAt : 0;
        this.#state = 'ended';
        resolve({ code, signal, livedMs, hasServed, error: this.#error });
      };
      this.#child.once('exit', end);
      this.#child.on('error', (error) => {
        this.#error ??= error;
        if (this.#child.pid === undefined) end(null, null); // it could not be started at all
      });
    });
  }

  #makePulse(): Pulse {
    return new Pulse({
      ask: () => this.send({ kind: 'ask' }),
      state: () => (this.pid === undefined ? 'alive' : processState(this.pid)),
      giveUp: (state) => {
        this.#options.onSilent(state);
        this.#child.kill('SIGKILL');
      },
    });
  }

  #killAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#child.kill('SIGKILL'), ms);
  }

  #hear(message: FromWorker | undefined): void {
    if (message === undefined) return;
    switch (message.kind) {
      case 'ready':
        return this.#becomeReady();
      case 'failed':
        this.#error = errorOf(message.failure);
        return;
      case 'took':
        clearTimeout(this.#asking);
        this.#inHand.shift()?.destroy();
        this.#handFirst();
        return this.#options.onFree();
      case 'closed':
        this.#connections--;
        return;
      case 'here':
        return this.#pulse.heard(message.isDebugged);
      case 'leaving':
        return void this.stop();
      default:
        this.#options.onMessage(message);
    }
  }

  #becomeReady(): void {
    if (this.#state !== 'starting') return;
    clearTimeout(this.#killer);
    this.#state = 'ready';
    this.#hasServed = true;
    this.#round = setInterval(() => this.#pulse.beat(), this.#options.roundMs ?? workerRoundMs);
    this.#onReady();
    this.#options.onFree();
  }

  #handFirst(): void {
    const [socket] = this.#inHand;
    if (socket === undefined || !this.#child.connected) return;
    const message: ToWorker = { kind: 'connection' };
    // Ours stays open until it is taken: Node forgets one whose process dies on its way, and its client would wait.
    this.#child.send(message, socket, { keepOpen: true }, ignoreError);
    const count = ++this.#handed;
    // Node gives up a socket that the other process has no descriptor for, and tells nobody.
    this.#asking = setTimeout(() => this.send({ kind: 'handed', count }), connectionHandedMs);
  }
}
