// When the system is asked for free space, and when a figure is used again.

import t from 'tap';
import { DiskSpace } from '../../../../server/storage/lmdb/disk-space.js';
import {
  diskPlentyBytes,
  diskReserveBytes,
  freeBytesAgeMs,
} from '../../../../shared/base/limits.js';

t.test('asks again when there is no plenty, after a while, and when much was written', (t) => {
  const { now } = performance;
  let ms = 1000;
  performance.now = () => ms;
  t.teardown(() => {
    performance.now = now;
  });
  let free = diskPlentyBytes + 100;
  let asked = 0;
  const space = new DiskSpace('rows.ism', () => {
    asked++;
    return free;
  });
  t.equal(space.shortage(40), undefined);
  t.equal(space.shortage(40), undefined);
  t.equal(asked, 1, 'plenty is believed for a while');
  ms += freeBytesAgeMs;
  t.equal(space.shortage(0), undefined);
  t.equal(asked, 2, 'but not longer');
  t.equal(space.shortage(101), undefined);
  t.equal(asked, 3, 'and not beyond what there was');
  free = diskReserveBytes + 10;
  ms += freeBytesAgeMs;
  t.equal(space.shortage(10), undefined);
  t.equal(space.shortage(11), free, 'says what is free');
  t.equal(asked, 5, 'little is never believed');
  t.end();
});
