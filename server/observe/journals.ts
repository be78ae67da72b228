// What a server writes down about its clients, in one place: who connected and how, who logged in, whom it
// refused. One process keeps it; where several serve, the others tell that one (worker/), because each of the
// files is written whole.

import { clientsSavedMs } from '../../shared/base/limits.js';
import type { Refusal } from '../net/refusal.js';
import type { StateDirectory } from '../state/state-directory.js';
import { ClientJournal, type SeenClient } from './client-journal.js';
import { RefusalFile } from './refusal-file.js';
import { type CountedConnection, TlsUsage } from './tls-usage.js';

/** A connection as it is written down. */
export interface SeenConnection extends CountedConnection {
  /** Milliseconds since 1970. */
  readonly seen: number;
}

export interface Journals {
  /** Its handshake is done. */
  connected(connection: SeenConnection): void;
  loggedIn(client: SeenClient): void;
  refused(refusal: Refusal): void;
  /** Once a second: writes what is new, and now and then all of it. */
  tick(): void;
  save(): void;
}

/** How often `tick` is called. */
const tickMs = 1000;
const ticksPerSave = clientsSavedMs / tickMs;

export class StateJournals implements Journals {
  readonly #clients: ClientJournal;
  readonly #usage: TlsUsage;
  readonly #refusals: RefusalFile;
  readonly #onError: (error: unknown) => void;
  #ticks = 0;

  /** `onError` hears why something could not be written down; nothing else comes of it. */
  constructor(state: StateDirectory, onError: (error: unknown) => void) {
    this.#clients = new ClientJournal(state);
    this.#usage = new TlsUsage(state);
    this.#refusals = new RefusalFile(state);
    this.#onError = onError;
  }

  connected(connection: SeenConnection): void {
    this.#usage.count(connection, connection.seen);
  }

  loggedIn(client: SeenClient): void {
    const { address, protocol, user } = client;
    this.#usage.noteUser({ peer: { address }, protocol }, user);
    this.#clients.note(client);
  }

  refused(refusal: Refusal): void {
    this.#refusals.append(refusal);
  }

  tick(): void {
    this.#ticks++;
    const isTime = this.#ticks % ticksPerSave === 0;
    this.#save([this.#usage, this.#clients].filter((each) => isTime || each.hasNews));
  }

  save(): void {
    this.#save([this.#usage, this.#clients]);
  }

  #save(journals: readonly { save(): void }[]): void {
    try {
      for (const journal of journals) journal.save();
    } catch (error) {
      this.#onError(error);
    }
  }
}
