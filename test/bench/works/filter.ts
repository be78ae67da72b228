// One record of a hundred by a field that no key holds: how quickly, and how many bytes travel.

import type { Line, Side, Sizes } from '../line.js';
import type { FilterTask, PeerName } from '../task.js';

export function filterLines({ forMs }: Sizes): Line[] {
  const side = (name: string, peer: PeerName, how: FilterTask['how']): Side => ({
    ...{ name, peer, task: { work: 'filter', how, forMs } },
  });
  return [
    {
      name: 'filter',
      title: 'filter of 1 % without a helpful key',
      unit: 'records/s',
      sides: [
        side('rsynd', 'rsynd', 'server'),
        side('rsynd ships all', 'rsynd', 'client'),
        side('plain', 'plain', 'server'),
        side('pg numeric', 'pg', 'numeric'),
        side('pg int', 'pg', 'int'),
      ],
    },
    {
      name: 'filter-bytes',
      title: 'bytes on the wire of that filter',
      unit: 'bytes',
      sides: [
        { name: 'rsynd', peer: 'rsynd', task: { work: 'wire', how: 'server' } },
        { name: 'rsynd ships all', peer: 'rsynd', task: { work: 'wire', how: 'client' } },
      ],
    },
  ];
}
