// The peers by name.

import type { Peer } from '../peer.js';
import type { ClientOptions, PeerName } from '../task.js';
import { postgresPeer } from './postgres.js';
import { postgresJsPeer } from './postgres-js.js';
import { tlsPeer } from './raw-tls.js';
import { redisPeer } from './redis.js';
import { plainPeer, rsyndPeer } from './rsynd.js';

export const PEERS: Record<PeerName, (options: ClientOptions) => Promise<Peer>> = {
  rsynd: rsyndPeer,
  plain: plainPeer,
  pg: postgresPeer,
  'postgres.js': postgresJsPeer,
  redis: redisPeer,
  tls: tlsPeer,
};
