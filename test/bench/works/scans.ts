// All records once: in the order of the primary key and as they are stored, raw and as typed objects. All clients
// take them by the batch, ours by the record too. A limit beside the raw ones: as many bytes of nothing over TLS.

import type { Line, Side, Sizes } from '../line.js';
import type { PeerName, ScanTask } from '../task.js';

const ORDERS = { key: 'key order', stored: 'stored order' };

export function scanLines({ forMs }: Sizes): Line[] {
  return (['key', 'stored'] as const).flatMap((order) =>
    (['raw', 'typed'] as const).map((shape) =>
      scan({ work: 'scan', order, shape, by: 'batch', forMs }),
    ),
  );
}

function scan(task: ScanTask): Line {
  const { order, shape } = task;
  const side = (peer: PeerName): Side => ({ name: peer, peer, task });
  return {
    name: `scan-${order}-${shape}`,
    title: `full scan in ${ORDERS[order]}, ${shape === 'raw' ? 'raw records' : 'typed objects'}`,
    unit: 'records/s',
    sides: [
      side('rsynd'),
      { name: 'rsynd each', peer: 'rsynd', task: { ...task, by: 'record' } },
      side('plain'),
      side('pg'),
      side('postgres.js'),
      ...(shape === 'raw' ? [side('tls')] : []),
    ],
  };
}
