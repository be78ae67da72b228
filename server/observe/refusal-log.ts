// Log lines that strangers cause, at most so many a second: refused connections and logins, sessions without a
// login. Whoever hammers the port must not fill the disk through us. What was left out is counted in the next
// line that is written.

import { refusalLinesPerSecondMax } from '../../shared/base/limits.js';
import type { Log } from './log.js';

/** Writes one refusal, or counts it. */
export type LogRefusal<T extends object> = (refusal: T) => void;

/** `keep` is given those that are written, for `rsynctl explain`; `text` is the message of every line. */
export const createRefusalLog = <T extends object>(
  log: Pick<Log, 'warn'>,
  nowMs: () => number = Date.now,
  keep: (refusal: T) => void = () => undefined,
  text = 'connection refused',
  linesMax = refusalLinesPerSecondMax,
): LogRefusal<T> =>
  createPacedLog(
    (refusal: T, line) => {
      log.warn(line, text);
      keep(refusal);
    },
    nowMs,
    linesMax,
  );

/** Any lines that a stranger can cause; `line` is what to write: the fact, and how many were left out before. */
export function createPacedLog<T extends object>(
  write: (fact: T, line: object) => void,
  nowMs: () => number = Date.now,
  linesMax: number = refusalLinesPerSecondMax,
): (fact: T) => void {
  let second = 0;
  let lines = 0;
  let leftOut = 0;
  return (fact) => {
    const now = Math.floor(nowMs() / 1000);
    if (now !== second) [second, lines] = [now, 0];
    if (lines >= linesMax) {
      leftOut++;
      return;
    }
    lines++;
    write(fact, leftOut === 0 ? fact : { ...fact, leftOut });
    leftOut = 0;
  };
}
