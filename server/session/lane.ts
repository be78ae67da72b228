// A channel number in use: what the session keeps of it, and which of its requests may run. They run one
// after another in the order they came, but for runs of the same verb that neither looks at nor changes
// the position: those start one after another and end together, so that stores share a commit.

import type { Answer } from '../../shared/base/answer.js';
import type { Request } from '../../shared/protocol/message.js';
import type { RequestVerb } from '../../shared/protocol/verb.js';
import type { OpenChannel } from '../operation/open-channel.js';

/** A request with the numbers its reply goes back under. */
export interface Envelope {
  readonly request: Request;
  readonly channel: number;
  readonly id: number;
  /** What it keeps in memory until it is answered. */
  readonly bytes: number;
  /** Not a request but a step of a stream that takes turns with the requests. */
  readonly turn?: () => Answer<undefined>;
}

/** Verbs of which many may be under way at once. */
const OVERLAPPING: ReadonlySet<RequestVerb> = new Set<RequestVerb>(['get', 'store', 'storeMany']);

export class Lane {
  /** Its file, once open. */
  channel: OpenChannel | undefined;
  /** The requests that wait their turn. */
  readonly waiting: Envelope[] = [];
  /** True while they wait for the client to take replies rather than for a turn. */
  isParked = false;
  #running = 0;
  #verb: RequestVerb | undefined;
  #whenIdle: (() => void)[] = [];

  get isIdle(): boolean {
    return this.#running === 0;
  }

  /** True when a request of that verb may start beside what is under way. */
  mayStart(verb: RequestVerb): boolean {
    return this.#running === 0 || (verb === this.#verb && OVERLAPPING.has(verb));
  }

  /** A request that is not answered yet has begun. */
  begin(verb: RequestVerb): void {
    this.#running++;
    this.#verb = verb;
  }

  /** One that had begun is answered. */
  finish(): void {
    this.#running--;
    if (this.#running > 0) return;
    const waiters = this.#whenIdle;
    this.#whenIdle = [];
    for (const goOn of waiters) goOn();
  }

  /** Resolves when all that has begun is answered. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }
}
