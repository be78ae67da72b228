// What supervisor and workers tell each other, as JSON over the pipe between them. Both are the same program of
// the same version, so a message is taken for what its kind says. Passwords and records never travel here.

import { isObject } from '../../shared/base/is-object.js';
import type { LoginTry } from '../access/login-turns.js';
import type { DaemonOptions } from '../config/daemon-options.js';
import type { ListenerLimits } from '../net/listener.js';
import type { PortAddress } from '../net/port.js';
import type { Refusal } from '../net/refusal.js';
import type { SeenClient } from '../observe/client-journal.js';
import type { SeenConnection } from '../observe/journals.js';
import type { Failure } from './failure.js';

/** All a worker needs to know to begin. */
export interface WorkerStart {
  /** From 1 on; one that replaces another has its number. */
  readonly number: number;
  /** How many workers there are. */
  readonly size: number;
  readonly options: DaemonOptions;
  readonly software: string;
  readonly address: PortAddress;
  /** The worker's own part. */
  readonly limits: Partial<ListenerLimits>;
  /** What ticket keys are made of, base64. */
  readonly ticketSecret: string;
  /** Typed at the prompt of the supervisor. */
  readonly passphrase?: string | undefined;
}

export type ToWorker =
  | ({ readonly kind: 'start' } & WorkerStart)
  /** Comes with a socket. */
  | { readonly kind: 'connection' }
  /** So many were handed over by now; asked when the last is not taken for a while. It may be lost on the way. */
  | { readonly kind: 'handed'; readonly count: number }
  | { readonly kind: 'tickets'; readonly ticketSecret: string }
  | { readonly kind: 'reload'; readonly options: DaemonOptions }
  /** The password check may run now. */
  | { readonly kind: 'turn'; readonly id: number }
  | { readonly kind: 'no turn'; readonly id: number; readonly failure: Failure }
  /** Is it there? */
  | { readonly kind: 'ask' }
  | { readonly kind: 'stop' };

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** The connection handed over last is here. */
  | { readonly kind: 'took' }
  /** One of its connections has ended. */
  | { readonly kind: 'closed' }
  /** It was asked to stop by somebody else, and will as soon as the supervisor says so too. */
  | { readonly kind: 'leaving' }
  /** The answer to `ask`; a debugged one may be silent for long. */
  | { readonly kind: 'here'; readonly isDebugged: boolean }
  | { readonly kind: 'renew tickets' }
  | { readonly kind: 'ask turn'; readonly id: number; readonly tried: LoginTry }
  /** `isRight` is absent when the check came to no end. */
  | { readonly kind: 'turn over'; readonly id: number; readonly isRight?: boolean }
  | { readonly kind: 'connected'; readonly connection: SeenConnection }
  | { readonly kind: 'logged in'; readonly client: SeenClient }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** What came through the pipe; undefined for what is no message of ours. */
export const messageFrom = <M extends ToWorker | FromWorker>(value: unknown): M | undefined =>
  isObject(value) && typeof value.kind === 'string' ? (value as unknown as M) : undefined;
