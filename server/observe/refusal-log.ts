// Log lines about refused connections, at most so many a second: whoever hammers the port must not fill
// the disk through us. What was left out is counted in the next line that is written.

import { refusalLinesPerSecondMax } from '../../shared/base/limits.js';
import type { Log } from './log.js';

/** Writes one refusal, or counts it. */
export type LogRefusal = (refusal: object) => void;

export function createRefusalLog(
  log: Pick<Log, 'warn'>,
  nowMs: () => number = Date.now,
): LogRefusal {
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
    log.warn(leftOut === 0 ? refusal : { ...refusal, leftOut }, 'connection refused');
    leftOut = 0;
  };
}
