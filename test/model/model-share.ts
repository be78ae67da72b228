// Who has the model's file open, in which mode, and who has which record locked.

import type { ChannelLock, OpenMode, ShareMode } from '../../shared/protocol/message.js';
import { ModelError } from './key-order.js';

export interface ChannelOptions {
  readonly mode: OpenMode;
  readonly share: ShareMode;
  readonly lock: ChannelLock;
}

/** Whoever opens is known by an object of their own. */
export class ModelShare<Holder> {
  readonly #open = new Map<Holder, ChannelOptions>();
  /** Holder by address. */
  readonly #locks = new Map<string, Holder>();

  get isUnused(): boolean {
    return this.#open.size === 0;
  }

  /** ERR_FINUSE. Output and append are alone whatever they ask for. */
  enter(holder: Holder, { mode, share, lock }: ChannelOptions): void {
    const isAlone = mode === 'output' || mode === 'append';
    const mine: ChannelOptions = { mode, share: isAlone ? 'exclusive' : share, lock };
    for (const theirs of this.#open.values()) {
      if (forbids(mine, theirs) || forbids(theirs, mine)) throw new ModelError('ERR_FINUSE');
    }
    this.#open.set(holder, mine);
  }

  leave(holder: Holder): void {
    this.#open.delete(holder);
    for (const [rfa, other] of this.#locks) {
      if (other === holder) this.#locks.delete(rfa);
    }
  }

  /** ERR_LOCKED when somebody else holds it. */
  requireFree(rfa: string, holder: Holder): void {
    const other = this.#locks.get(rfa);
    if (other !== undefined && other !== holder) throw new ModelError('ERR_LOCKED');
  }

  lock(rfa: string, holder: Holder): void {
    this.requireFree(rfa, holder);
    this.#locks.set(rfa, holder);
  }

  unlock(rfa: string, holder: Holder): void {
    if (this.holds(rfa, holder)) this.#locks.delete(rfa);
  }

  holds(rfa: string, holder: Holder): boolean {
    return this.#locks.get(rfa) === holder;
  }
}

/** Does `mine` forbid what `theirs` does? */
const forbids = (mine: ChannelOptions, theirs: ChannelOptions): boolean =>
  mine.share === 'exclusive' || (mine.share === 'read' && theirs.mode !== 'input');
