// The command line of the bench.

import { Command, InvalidArgumentError } from 'commander';

export interface Options {
  readonly rounds: number;
  readonly records: number;
  readonly bulkRecords: number;
  /** How long calls are repeated in one round. */
  readonly forMs: number;
  readonly seed: number;
  /** Processes of each rsynd; undefined is its default. */
  readonly workers: number | undefined;
  /** Names of lines; undefined is all of them. */
  readonly only: readonly string[] | undefined;
  readonly json: string | undefined;
  readonly svg: string | undefined;
}

const FULL = { rounds: 5, records: 1_000_000, forMs: 500 };
const QUICK = { rounds: 1, records: 100_000, forMs: 250 };

export function readOptions(args: readonly string[]): Options {
  const command = new Command('bench')
    .description('rsynd beside PostgreSQL, Redis and bare TLS; see test/bench/README.md')
    .option('--rounds <n>', `rounds (default ${FULL.rounds})`, whole)
    .option('--records <n>', `records in the file (default ${FULL.records})`, whole)
    .option('--ms <n>', `how long calls are repeated in a round (default ${FULL.forMs})`, whole)
    .option('--seed <n>', 'of the random keys', whole, 42)
    .option('--workers <n>', 'processes of each rsynd (default its own default)', whole)
    .option('--only <names>', 'lines by name, or by the beginning of it: read-1,store', words)
    .option('--quick', 'few records, one round: about a minute, for a first look')
    .option('--json <file>', 'write all figures there')
    .option('--svg <file>', 'draw the chart there');
  const given = command.parse(args, { from: 'user' }).opts();
  const preset = given.quick === true ? QUICK : FULL;
  const records: number = given.records ?? preset.records;
  return {
    rounds: given.rounds ?? preset.rounds,
    records,
    bulkRecords: Math.ceil(records / 5),
    forMs: given.ms ?? preset.forMs,
    seed: given.seed,
    workers: given.workers,
    only: given.only,
    json: given.json,
    svg: given.svg,
  };
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,7}$/.test(text)) throw new InvalidArgumentError('not a number from 1 up');
  return Number(text);
}

const words = (text: string): string[] => text.split(',');
