// Single calls: keyed reads, durable stores, updates under a lock, and a mix, with one or many in flight and
// on one or many connections.

import type { Line, Side, Sizes } from '../line.js';
import type { CallTask, PeerName } from '../task.js';

type Calls = Omit<CallTask, 'work' | 'forMs' | 'variant'>;

const ONE: Calls = { connections: 1, depth: 1 };
const MANY_IN_FLIGHT: Calls = { connections: 1, depth: 64 };
const EIGHT: Calls = { connections: 8, depth: 1 };
const SIXTY_FOUR: Calls = { connections: 64, depth: 1 };

export function callLines({ forMs }: Sizes): Line[] {
  const maker =
    (work: CallTask['work'], calls: Calls) =>
    (peer: PeerName, variant?: CallTask['variant']): Side => {
      const name = variant === undefined ? peer : `${peer} ${variant}`;
      const task: CallTask = { work, ...calls, forMs };
      return { name, peer, task: variant === undefined ? task : { ...task, variant } };
    };
  return [
    readAlone(maker('read', ONE)),
    readInFlight(maker('read', MANY_IN_FLIGHT)),
    onConnections('read', maker('read', EIGHT), 8),
    onConnections('read', maker('read', SIXTY_FOUR), 64),
    storeAlone(maker('store', ONE)),
    storeInFlight(maker('store', MANY_IN_FLIGHT)),
    onConnections('store', maker('store', EIGHT), 8),
    onConnections('store', maker('store', SIXTY_FOUR), 64),
    update(maker('update', ONE), 1),
    update(maker('update', EIGHT), 8),
    mixed(maker('mixed', EIGHT)),
  ];
}

type Make = (peer: PeerName, variant?: CallTask['variant']) => Side;

const readAlone = (side: Make): Line => ({
  name: 'read-1',
  title: 'keyed read, 1 in flight, both ends on one CPU',
  unit: 'calls/s',
  isOnOneCpu: true,
  sides: [
    side('rsynd'),
    side('rsynd', 'typed'),
    side('plain'),
    side('pg'),
    side('postgres.js'),
    side('redis'),
    side('tls'),
  ],
});

const readInFlight = (side: Make): Line => ({
  name: 'read-64',
  title: 'keyed read, 64 in flight on one connection',
  unit: 'calls/s',
  sides: [
    side('rsynd'),
    side('rsynd', 'typed'),
    side('plain'),
    side('postgres.js'),
    side('redis'),
    side('redis', 'auto'),
    side('tls'),
  ],
});

const TITLES = { read: 'keyed read', store: 'durable store' };

const onConnections = (work: 'read' | 'store', side: Make, connections: number): Line => ({
  name: `${work}-${connections}c`,
  title: `${TITLES[work]}, ${connections} connections with 1 each`,
  unit: 'calls/s',
  sides: [
    side('rsynd'),
    side('plain'),
    side('pg'),
    side('postgres.js'),
    side('redis'),
    ...(work === 'read' ? [side('tls')] : []),
  ],
});

const storeAlone = (side: Make): Line => ({
  name: 'store-1',
  title: 'durable store, 1 in flight',
  unit: 'calls/s',
  sides: [
    side('rsynd'),
    side('plain'),
    side('pg'),
    side('postgres.js'),
    side('redis'),
    side('tls'),
  ],
});

const storeInFlight = (side: Make): Line => ({
  name: 'store-64',
  title: 'durable store, 64 in flight on one connection',
  unit: 'calls/s',
  sides: [
    side('rsynd'),
    side('plain'),
    side('postgres.js'),
    side('redis'),
    side('redis', 'auto'),
    side('tls'),
  ],
});

const update = (side: Make, connections: number): Line => ({
  name: `update-${connections}c`,
  title: `update under lock, ${connections} connection${connections === 1 ? '' : 's'}`,
  unit: 'calls/s',
  sides: [side('rsynd'), side('plain'), side('pg'), side('redis')],
});

const mixed = (side: Make): Line => ({
  name: 'mixed',
  title: '95 % keyed reads and 5 % durable stores, 8 connections',
  unit: 'calls/s',
  sides: [side('rsynd'), side('plain'), side('pg'), side('redis')],
});
