// The team of a worker: what the daemon in this process asks of the others goes through the pipe to the supervisor.

import type { Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { ignoreError } from '../net/arrival.js';
import type { Journals } from '../observe/journals.js';
import type { FromWorker, WorkerStart } from './message.js';
import { RemoteTurns } from './remote-turns.js';
import type { Team } from './team.js';
import { ticketKeysFor } from './ticket-secret.js';

type Send = (message: FromWorker) => void;

export class WorkerTeam implements Team {
  readonly size;
  readonly isSpokesman;
  readonly address;
  readonly limits;
  readonly journals: Journals;
  readonly turns: RemoteTurns;
  readonly #send: Send;
  #ticketSecret: Buffer;
  /** Connections that came, or did not come and are known to be lost. */
  #received = 0;
  #take: (socket: Socket) => void = (socket) => socket.destroy();

  constructor(start: WorkerStart, send: Send) {
    this.size = start.size;
    this.isSpokesman = start.number === 1;
    this.address = start.address;
    this.limits = start.limits;
    this.journals = remoteJournals(send);
    this.turns = new RemoteTurns(send);
    this.#send = send;
    this.#ticketSecret = Buffer.from(start.ticketSecret, 'base64');
  }

  ticketKeys(options: SecureContextOptions): Buffer {
    return ticketKeysFor(this.#ticketSecret, options);
  }

  renewTickets(): void {
    this.#send({ kind: 'renew tickets' });
  }

  receive(take: (socket: Socket) => void): void {
    this.#take = take;
  }

  /** From the supervisor: a connection for this process; undefined when its client has left on the way. */
  hand(socket: Socket | undefined): void {
    this.#received++;
    this.#send({ kind: 'took' });
    if (socket === undefined) return this.#send({ kind: 'closed' });
    socket.on('error', ignoreError).once('close', () => this.#send({ kind: 'closed' }));
    this.#take(socket);
  }

  /**
   * From the supervisor: so many connections are behind us. True when the last of them never came: a process without
   * a free descriptor gets none, and is told nothing.
   */
  handed(count: number): boolean {
    if (count <= this.#received) return false;
    this.hand(undefined);
    return true;
  }

  /** From the supervisor: what ticket keys are made of from now on. */
  useTickets(secret: string): void {
    this.#ticketSecret = Buffer.from(secret, 'base64');
  }
}

/** The supervisor writes them down. */
const remoteJournals = (send: Send): Journals => ({
  connected: (connection) => send({ kind: 'connected', connection }),
  loggedIn: (client) => send({ kind: 'logged in', client }),
  refused: (refusal) => send({ kind: 'refused', refusal }),
  tick: () => undefined,
  save: () => undefined,
});
