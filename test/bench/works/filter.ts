// One record of a hundred by a field that no key holds: how quickly, and how many bytes travel.

import type { Line } from '../line.js';

export function filterLines(): Line[] {
  return [
    {
      name: 'filter',
      title: 'filter of 1 % without a helpful key',
      unit: 'records/s',
      sides: [
        { name: 'rsynd', peer: 'rsynd', task: { work: 'filter', how: 'server' } },
        { name: 'rsynd ships all', peer: 'rsynd', task: { work: 'filter', how: 'client' } },
        { name: 'plain', peer: 'plain', task: { work: 'filter', how: 'server' } },
        { name: 'pg numeric', peer: 'pg', task: { work: 'filter', how: 'numeric' } },
        { name: 'pg int', peer: 'pg', task: { work: 'filter', how: 'int' } },
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
