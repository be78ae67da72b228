// Many records into an empty file with its secondary index, answered when they are on the disk.

import type { Line, Side, Sizes } from '../line.js';
import type { PeerName } from '../task.js';

const sideOf =
  (records: number) =>
  (peer: PeerName, name: string): Side => ({ name, peer, task: { work: 'bulk', records } });

export function bulkLines({ bulkRecords }: Sizes): Line[] {
  const side = sideOf(bulkRecords);
  return [
    {
      name: 'bulk',
      title: 'bulk load, durable, one secondary index',
      unit: 'records/s',
      sides: [
        side('rsynd', 'rsynd'),
        side('plain', 'plain'),
        side('postgres.js', 'COPY'),
        side('redis', 'redis auto'),
      ],
    },
  ];
}
