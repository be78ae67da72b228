// What a process must know of the others it serves with (--workers): the port is elsewhere, and what counts for
// the whole server is kept by the supervisor. The daemon is given one, or none when it serves alone.

import type { Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import type { Turns } from '../access/login-turns.js';
import type { ListenerLimits } from '../net/listener.js';
import type { PortAddress } from '../net/port.js';
import type { Journals } from '../observe/journals.js';

export interface Team {
  /** Processes that serve, this one included. */
  readonly size: number;
  /** Tells what is news to all of them, so that the log has it once. */
  readonly isSpokesman: boolean;
  /** Where clients come in. */
  readonly address: PortAddress;
  /** This process's part of what the whole server may have. */
  readonly limits: Partial<ListenerLimits>;
  readonly journals: Journals;
  /** Guesses at passwords are counted and bounded for all processes together. */
  readonly turns: Turns;
  /** Keys of session tickets: equal in all processes whose context has equal options. 48 bytes, secret. */
  ticketKeys(options: SecureContextOptions): Buffer;
  /** Tickets of before must not count any more, in any process. */
  renewTickets(): void;
  /** Gives every connection meant for this process to `take`, from now on. */
  receive(take: (socket: Socket) => void): void;
}
