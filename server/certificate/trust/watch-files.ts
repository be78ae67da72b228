// Notices that one of a few files has changed, by looking at size and time now and then: works on every file
// system, for files that are replaced by a rename, and for those that are not there yet.

import { statSync } from 'node:fs';
import { stateWatchMs } from '../../../shared/base/limits.js';

/** Calls `onChange` some time after a change, until stopped. `files` is asked anew each time. */
export function watchFiles(files: () => readonly string[], onChange: () => void): { stop(): void } {
  let seen = marksOf(files());
  const timer = setInterval(() => {
    const now = marksOf(files());
    if (now === seen) return;
    seen = now;
    onChange();
  }, stateWatchMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

const marksOf = (files: readonly string[]): string => files.map(markOf).join('\n');

function markOf(path: string): string {
  try {
    const { size, mtimeMs, ino } = statSync(path);
    return `${path} ${size} ${mtimeMs} ${ino}`;
  } catch {
    return `${path} is not there`;
  }
}
