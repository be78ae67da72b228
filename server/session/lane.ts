// A channel number in use: what the session keeps of it. Requests of one lane run one after another.

import type { Request } from '../../shared/protocol/message.js';
import type { OpenChannel } from '../operation/open-channel.js';

/** A request with the numbers its reply goes back under. */
export interface Envelope {
  readonly request: Request;
  readonly channel: number;
  readonly id: number;
}

export interface Lane {
  /** Its file, once open. */
  channel: OpenChannel | undefined;
  busy: boolean;
  /** Settles when the request under way is answered; never rejects. */
  running: Promise<void>;
  /** The requests that wait their turn. */
  readonly waiting: Envelope[];
}

/** A lane without a file, for the open that is to get it one. */
export const makeLane = (): Lane => ({
  channel: undefined,
  busy: false,
  running: Promise.resolve(),
  waiting: [],
});
