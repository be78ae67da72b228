// Loaded into a daemon that is measured (`NODE_OPTIONS=--import=…`): at SIGUSR2 it collects garbage and writes what
// is left, as one line of JSON, to the file named by RSYND_PROBE. So that memory is compared after a quiet moment.

import { renameSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const file = process.env.RSYND_PROBE;
if (file !== undefined) {
  setFlagsFromString('--expose-gc');
  // The way Node documents to get at it after the start.
  const collect: unknown = runInNewContext('gc');
  process.on('SIGUSR2', () => {
    if (typeof collect === 'function') for (let round = 0; round < 4; round++) collect();
    writeFileSync(`${file}.new`, JSON.stringify(process.memoryUsage()));
    renameSync(`${file}.new`, file);
  });
}
