// Log lines about refused connections and logins, at most so many a second: whoever hammers the port must not fill
// the disk through us. What was left out is counted in the next line that is written.

import { refusalLinesPerSecondMax } from '../../shared/base/limits.js';
import type { Log } from './log.js';

/** Writes one refusal, or counts it. */
export type LogRefusal<T extends object> = (refusal: T) => void;

/** `keep` is given those that are written, for `rsynctl explain`; `text` is the message of every line. */
export function createRefusalLog<T extends object>(
  log: Pick<Log, 'warn'>,
  nowMs: () => number = Date.now,
  keep: (refusal: T) => void = () => undefined,
  text = 'connection refused',
): LogRefusal<T> {
  let second = 0;
  let lines = 0;
  let leftOut = 0;
  return (refusal) => {
    const now = Math.floor(nowMs() / 1000);
    if (now !== second) [second, lines] = [now, 0];
    if (lines >= refusalLinesPerSecondMax) {
      leftOut++;
      return;
    }
    lines++;
    const line: object = leftOut === 0 ? refusal : { ...refusal, leftOut };
    log.warn(line, text);
    leftOut = 0;
    keep(refusal);
  };
}
