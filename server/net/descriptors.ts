// File descriptors: each connection takes one, each open file two or three. Past the system's limit Node cuts a new
// connection without a word, so we take fewer connections than that and can say why; Node itself has raised the
// soft limit to the hard one by then.

import { readFileSync } from 'node:fs';
import { connectionsMax } from '../../shared/base/limits.js';

/** Of all descriptors so many are for connections, the rest for files. */
const SHARE_OF_CONNECTIONS = 3 / 4;

/** How many this process may have; undefined where the system does not say (no /proc), or sets no limit. */
export function descriptorsMax(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** Connections that may be served at a time with so many descriptors. */
export const connectionsFor = (descriptors: number | undefined): number =>
  descriptors === undefined
    ? connectionsMax
    : Math.min(connectionsMax, Math.floor(descriptors * SHARE_OF_CONNECTIONS));
