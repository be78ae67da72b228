// The main program's end of a client process: starts it, gives it one task at a time, waits for the answer.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from '../fixture/daemon.js';
import type { ClientMessage, ClientOptions, Measured, Order, PeerName } from './task.js';

export class ClientProcess {
  readonly pid: number;
  /** What protects its connections. */
  readonly security: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, security: string) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.security = security;
  }

  static async start(name: PeerName, options: ClientOptions): Promise<ClientProcess> {
    const program = fileURLToPath(new URL('./client.js', import.meta.url));
    const env = cleanEnvironment();
    const child = fork(program, [name, JSON.stringify(options)], { env, execArgv: [] });
    const said = await nextMessage(child);
    if ('ready' in said) return new ClientProcess(child, said.ready);
    throw new Error(`the client of ${name} is not ready: ${JSON.stringify(said)}`);
  }

  async run(order: Order): Promise<Measured> {
    const answer = nextMessage(this.#child);
    this.#child.send(order);
    const said = await answer;
    if ('measured' in said) return said.measured;
    throw new Error('failed' in said ? said.failed : 'a client that is ready twice');
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

function nextMessage(child: ChildProcess): Promise<ClientMessage> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      child.off('message', take);
      child.off('exit', fail);
    };
    const take = (message: ClientMessage): void => {
      settle();
      resolve(message);
    };
    const fail = (code: number | null): void => {
      settle();
      reject(new Error(`a client ended with ${code}`));
    };
    child.once('message', take);
    child.once('exit', fail);
  });
}
