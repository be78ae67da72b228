// Connect, log in, open the file, read its first record and leave, one after the other; with a full handshake,
// and with one that resumes a session of before where that is possible (PostgreSQL resumes none).

import type { Line, Side, Sizes } from '../line.js';
import type { OpenTask, PeerName } from '../task.js';

export function openLines({ forMs }: Sizes): Line[] {
  const maker =
    (handshake: OpenTask['handshake']) =>
    (peer: PeerName): Side => ({ name: peer, peer, task: { work: 'open', handshake, forMs } });
  const full = maker('full');
  const resumed = maker('resumed');
  return [
    {
      name: 'open-full',
      title: 'opens, full handshake',
      unit: 'calls/s',
      sides: [
        full('rsynd'),
        full('plain'),
        full('pg'),
        full('postgres.js'),
        full('redis'),
        full('tls'),
      ],
    },
    {
      name: 'open-resumed',
      title: 'opens, resumed handshake',
      unit: 'calls/s',
      sides: [resumed('rsynd'), resumed('redis'), resumed('tls')],
    },
  ];
}
