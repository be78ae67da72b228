// Who has connected lately, and with what: the newest protocol and cipher of each client, the name it asked
// for, the certificate it showed, the user it became. `cert rehearse` reads it to tell who would be refused
// by a change before it is made. Kept in the state directory, written now and then, so that it outlives the
// server; it holds no secret and nothing of records.
//
//   .clients.json   { "clients": [ { address, user, protocol, cipher, serverName, chain, seen }, … ] }   newest first

import { isObject } from '../../shared/base/is-object.js';
import { clientsRememberedMax } from '../../shared/base/limits.js';
import type { StateDirectory } from '../state/state-directory.js';

/** One client as it was last seen. */
export interface SeenClient {
  /** Network address without port. */
  readonly address: string;
  /** The user it logged in as. */
  readonly user: string;
  /** `TLSv1.3`; absent for a connection in clear. */
  readonly protocol?: string;
  /** OpenSSL's name of the suite. */
  readonly cipher?: string;
  /** The name it asked for (SNI). */
  readonly serverName?: string;
  /** The certificate it showed and those behind it, PEM. */
  readonly chain?: readonly string[];
  /** Milliseconds since 1970. */
  readonly seen: number;
}

/** The dot keeps it from waking those who watch the directory. */
const FILE = '.clients.json';

export class ClientJournal {
  readonly #state: StateDirectory;
  /** In order of last sight, the latest last. */
  readonly #clients: Map<string, SeenClient>;
  #isChanged = false;
  #hasNews = false;

  /** Goes on from what is in the state directory; what cannot be read is begun anew. */
  constructor(state: StateDirectory) {
    this.#state = state;
    this.#clients = new Map(
      readQuietly(state)
        .reverse()
        .map((client) => [keyOf(client), client]),
    );
  }

  /** True when a client came that is not written down yet, or came otherwise than before. */
  get hasNews(): boolean {
    return this.#hasNews;
  }

  /** Notes a client that has logged in. */
  note(client: SeenClient): void {
    const key = keyOf(client);
    const { protocol, cipher, serverName } = this.#clients.get(key) ?? {};
    const isKnown =
      this.#clients.has(key) &&
      protocol === client.protocol &&
      cipher === client.cipher &&
      serverName === client.serverName;
    this.#hasNews ||= !isKnown;
    this.#clients.delete(key);
    this.#clients.set(key, client);
    this.#isChanged = true;
    if (this.#clients.size <= clientsRememberedMax) return;
    const [oldest] = this.#clients.keys();
    if (oldest !== undefined) this.#clients.delete(oldest);
  }

  /** Writes what has changed since the last time. ERR_CONFIG. */
  save(): void {
    if (!this.#isChanged) return;
    this.#hasNews = false;
    this.#state.writeJson(FILE, { clients: [...this.#clients.values()].reverse() });
    this.#isChanged = false;
  }
}

/** The clients seen lately, the latest first. ERR_CONFIG when the file is not what a server writes. */
export const readSeenClients = (state: StateDirectory): SeenClient[] =>
  state.readJson(FILE, decode) ?? [];

/** A journal that is damaged costs the past, not the start of the server. */
function readQuietly(state: StateDirectory): SeenClient[] {
  try {
    return readSeenClients(state);
  } catch {
    return [];
  }
}

/** One entry for each user at each address with each certificate. */
const keyOf = ({ address, user, chain }: SeenClient): string =>
  `${address} ${user} ${chain?.[0] ?? ''}`;

function decode(value: unknown): SeenClient[] {
  const clients = isObject(value) ? value.clients : undefined;
  if (!Array.isArray(clients)) throw new Error('there is no list of clients');
  return clients.map(decodeClient);
}

function decodeClient(value: unknown): SeenClient {
  if (!isObject(value)) throw new Error('a client is no object');
  const { address, user, seen, chain } = value;
  if (typeof address !== 'string' || typeof user !== 'string' || typeof seen !== 'number') {
    throw new Error('a client lacks address, user or time');
  }
  return {
    address,
    user,
    seen,
    ...textOf(value, 'protocol'),
    ...textOf(value, 'cipher'),
    ...textOf(value, 'serverName'),
    ...(Array.isArray(chain) && { chain: chain.map(String) }),
  };
}

function textOf<N extends string>(
  value: Record<string, unknown>,
  name: N,
): { [key in N]?: string } {
  const text = value[name];
  return (typeof text === 'string' ? { [name]: text } : {}) as { [key in N]?: string };
}
