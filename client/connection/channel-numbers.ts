// Which channel numbers of one link are in use. Numbers are taken anew in turn rather than at once, so that
// a late reply to an old channel cannot be mistaken for one of a new.

import { RsyndError } from '../../shared/base/error.js';
import { channelsPerSessionMax } from '../../shared/base/limits.js';
import { CHANNEL_NUMBER_MAX } from '../../shared/protocol/frame.js';

export class ChannelNumbers {
  readonly #taken = new Set<number>();
  #last = 0;

  /** A number from 1 on. ERR_CHNEXC when as many are in use as a session may have. */
  take(): number {
    if (this.#taken.size >= channelsPerSessionMax) {
      const why = `this connection has ${channelsPerSessionMax} files open; close some, or connect() again`;
      throw new RsyndError('ERR_CHNEXC', why);
    }
    do {
      this.#last = this.#last === CHANNEL_NUMBER_MAX ? 1 : this.#last + 1;
    } while (this.#taken.has(this.#last));
    this.#taken.add(this.#last);
    return this.#last;
  }

  free(channel: number): void {
    this.#taken.delete(channel);
  }
}
