// All lines, those that only read before those that change the file.

import type { Line, Sizes } from '../line.js';
import { bulkLines } from './bulk.js';
import { callLines } from './calls.js';
import { filterLines } from './filter.js';
import { openLines } from './opens.js';
import { scanLines } from './scans.js';

export function allLines(sizes: Sizes): Line[] {
  const calls = callLines(sizes);
  const reads = calls.filter(({ name }) => name.startsWith('read'));
  const changes = calls.filter((line) => !reads.includes(line));
  return [
    ...reads,
    ...scanLines(sizes),
    ...filterLines(sizes),
    ...openLines(sizes),
    ...changes,
    ...bulkLines(sizes),
  ];
}
