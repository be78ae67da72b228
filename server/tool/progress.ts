// Shows how far a long step is, on stderr: a bar when that is a terminal, percentages when asked for with
// `-%`, else nothing. Never on stdout, where data may be on its way.

import type { Writable } from 'node:stream';
import { SingleBar } from 'cli-progress';

/** Where people or programs read: like process.stderr. */
export type OutputStream = Writable & { readonly isTTY?: boolean };

export interface ProgressOptions {
  readonly stream: OutputStream;
  /** `-%`: print percentages, terminal or not. */
  readonly percent: boolean;
  /** No bar although it is a terminal. */
  readonly quiet: boolean;
  readonly color: boolean;
}

/** One step. `update` may be called often. */
export interface ProgressDisplay {
  update(done: number, total: number): void;
  stop(): void;
}

export function startProgress(label: string, options: ProgressOptions): ProgressDisplay {
  if (options.percent) return new Percentages(label, options.stream);
  if (options.quiet || options.stream.isTTY !== true) return NOTHING;
  return new Bar(label, options);
}

const NOTHING: ProgressDisplay = { update: () => {}, stop: () => {} };

const percentOf = (done: number, total: number): number =>
  total <= 0 ? 100 : Math.min(100, Math.floor((100 * done) / total));

/** A line for each tenth; on a terminal one line that counts. */
class Percentages implements ProgressDisplay {
  readonly #label: string;
  readonly #stream: OutputStream;
  #shown = -1;

  constructor(label: string, stream: OutputStream) {
    this.#label = label;
    this.#stream = stream;
  }

  update(done: number, total: number): void {
    const percent = percentOf(done, total);
    const step = this.#stream.isTTY === true ? 1 : 10;
    if (percent < this.#shown + step && !(percent === 100 && this.#shown < 100)) return;
    this.#shown = percent;
    const isTerminal = this.#stream.isTTY === true;
    const end = percent === 100 || !isTerminal ? '\n' : '';
    this.#stream.write(`${isTerminal ? '\r' : ''}${this.#label} ${percent}%${end}`);
  }

  stop(): void {
    if (this.#shown < 100) this.update(1, 1);
  }
}

class Bar implements ProgressDisplay {
  readonly #bar: SingleBar;
  #started = false;

  constructor(label: string, { stream, color }: ProgressOptions) {
    const bar = color ? '\u001b[32m{bar}\u001b[0m' : '{bar}';
    this.#bar = new SingleBar({
      format: `${label} ${bar} {percentage}% ETA {eta_formatted}`,
      stream,
      hideCursor: true,
      clearOnComplete: true,
      barCompleteChar: '=',
      barIncompleteChar: '-',
    });
  }

  update(done: number, total: number): void {
    if (this.#started) {
      this.#bar.setTotal(total);
      this.#bar.update(done);
    } else this.#bar.start(total, done);
    this.#started = true;
  }

  stop(): void {
    if (this.#started) this.#bar.stop();
  }
}
