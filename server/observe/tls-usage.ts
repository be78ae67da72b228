// Who connected by which protocol: one row for each address and protocol, with how often and as whom. It tells
// an administrator who still needs a low level (`rsynctl tls-usage`). A connection counts once its handshake is
// done, whether or not it logs in. Kept in the state directory; it holds no secret.
//
//   .tls-usage.json   { "peers": [ { address, protocol, cipher, users, connections, seen }, … ] }   newest first

import { isObject } from '../../shared/base/is-object.js';
import { usagePeersMax, usageUsersMax } from '../../shared/base/limits.js';
import type { StateDirectory } from '../state/state-directory.js';

/** The connections of one address by one protocol. */
export interface PeerUsage {
  /** Network address without port. */
  readonly address: string;
  /** `TLSv1.3`, or `plain` for connections in clear. */
  readonly protocol: string;
  /** OpenSSL's name of the suite of the last connection; empty in clear. */
  readonly cipher: string;
  /** Who logged in so, the first ones only where there are many. */
  readonly users: readonly string[];
  readonly connections: number;
  /** The last connection, milliseconds since 1970. */
  readonly seen: number;
}

/** One connection, as far as it is counted. */
export interface CountedConnection {
  readonly peer: { readonly address: string };
  readonly protocol?: string | undefined;
  readonly cipher?: string | undefined;
}

/** The dot keeps it from waking those who watch the directory. */
const FILE = '.tls-usage.json';

export class TlsUsage {
  readonly #state: StateDirectory;
  /** In order of last sight, the latest last. */
  readonly #peers: Map<string, PeerUsage>;
  #isChanged = false;
  #hasNews = false;

  /** Goes on from what is in the state directory; what cannot be read is begun anew. */
  constructor(state: StateDirectory) {
    this.#state = state;
    this.#peers = new Map(
      readQuietly(state)
        .reverse()
        .map((peer) => [keyOf(peer.address, peer.protocol), peer]),
    );
  }

  /** True when somebody came who is not written down yet: worth a write before the usual time. */
  get hasNews(): boolean {
    return this.#hasNews;
  }

  /** Counts a connection. `seen` in milliseconds since 1970. */
  count({ peer, protocol = 'plain', cipher = '' }: CountedConnection, seen: number): void {
    const key = keyOf(peer.address, protocol);
    const before = this.#peers.get(key);
    this.#peers.delete(key);
    this.#peers.set(key, {
      address: peer.address,
      protocol,
      cipher,
      users: before?.users ?? [],
      connections: (before?.connections ?? 0) + 1,
      seen,
    });
    this.#isChanged = true;
    this.#hasNews ||= before === undefined;
    if (this.#peers.size <= usagePeersMax) return;
    const [oldest] = this.#peers.keys();
    if (oldest !== undefined) this.#peers.delete(oldest);
  }

  /** Notes as whom a connection that was counted has logged in. */
  noteUser({ peer, protocol = 'plain' }: CountedConnection, user: string): void {
    const key = keyOf(peer.address, protocol);
    const row = this.#peers.get(key);
    if (row === undefined || row.users.includes(user) || row.users.length >= usageUsersMax) return;
    this.#peers.set(key, { ...row, users: [...row.users, user] });
    this.#isChanged = true;
    this.#hasNews = true;
  }

  /** Writes what has changed since the last time. ERR_CONFIG. */
  save(): void {
    if (!this.#isChanged) return;
    this.#hasNews = false;
    this.#state.writeJson(FILE, { peers: [...this.#peers.values()].reverse() });
    this.#isChanged = false;
  }
}

/** Who connected how, the latest first. ERR_CONFIG when the file is not what a server writes. */
export const readTlsUsage = (state: StateDirectory): PeerUsage[] =>
  state.readJson(FILE, decode) ?? [];

/** Counts that are damaged cost the past, not the start of the server. */
function readQuietly(state: StateDirectory): PeerUsage[] {
  try {
    return readTlsUsage(state);
  } catch {
    return [];
  }
}

const keyOf = (address: string, protocol: string): string => `${address} ${protocol}`;

function decode(value: unknown): PeerUsage[] {
  const peers = isObject(value) ? value.peers : undefined;
  if (!Array.isArray(peers)) throw new Error('there is no list of peers');
  return peers.map(decodePeer);
}

function decodePeer(value: unknown): PeerUsage {
  const { address, protocol, cipher, users, connections, seen } = isObject(value) ? value : {};
  if (
    typeof address !== 'string' ||
    typeof protocol !== 'string' ||
    typeof cipher !== 'string' ||
    typeof connections !== 'number' ||
    typeof seen !== 'number' ||
    !Array.isArray(users)
  ) {
    throw new Error('a peer lacks address, protocol, cipher, users, connections or seen');
  }
  return { address, protocol, cipher, users: users.map(String), connections, seen };
}
