// What a run printed: the machine, a block for each line with its sides, and at its end the aims.

import { type AimOutcome, judge } from './aims.js';
import type { LineOutcome, SideOutcome } from './line.js';
import type { Machine } from './machine.js';
import type { Options } from './options.js';
import { RECORD_BYTES } from './record.js';
import type { Contestants } from './rounds.js';
import { ratios, spreadOf } from './spread.js';

const BYTES_PER_MB = 1_000_000;

export function headText(
  machine: Machine,
  { rounds, records, forMs, seed, workers }: Options,
  { contestants, missing }: { contestants: Contestants; missing: readonly string[] },
): string {
  const { cpu, cores, kernel, memoryGiB, node, openssl, clients, commit, date } = machine;
  const libraries = Object.entries(clients).map((each) => each.join(' '));
  const secured = [...contestants].map(
    ([name, { client, version, durability }]) =>
      `  ${`${name} ${version}`.padEnd(18)}  ${client.security.padEnd(30)}  ${durability}`,
  );
  return [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, Linux ${kernel}`,
    `Node ${node}, OpenSSL ${openssl}, ${libraries.join(', ')}; commit ${commit}, ${date}`,
    `${records} records of ${RECORD_BYTES} bytes, ${rounds} rounds of ${forMs} ms, seed ${seed}` +
      (workers === undefined ? '' : `, ${workers} workers`),
    ...missing.map((name) => `${name} is not installed: measured without it`),
    'what each client says of its connection, and each server of its disk:',
    ...secured,
  ].join('\n');
}

/** One line of work with all its sides. */
export function lineText(outcome: LineOutcome): string {
  const { line, sides, foreignCores } = outcome;
  const noise = foreignCores > 0.25 ? `   (others kept ${foreignCores.toFixed(1)} cores busy)` : '';
  const [ours] = sides;
  const rows = sides.map((side) => sideText(outcome, side, ours));
  const aims = judge(outcome).map((each) => `    ${aimText(each)}`);
  return [`\n${line.title} [${line.name}]${noise}`, ...rows, ...aims].join('\n');
}

function sideText({ line }: LineOutcome, side: SideOutcome, ours: SideOutcome | undefined): string {
  const { median } = spreadOf(side.values);
  const volume =
    line.unit === 'records/s'
      ? `${((median * RECORD_BYTES) / BYTES_PER_MB).toFixed(0)} MB/s`.padStart(11)
      : ''.padStart(11);
  const rate = `${Math.round(median).toLocaleString('en')} ${line.unit}`.padStart(22);
  const cpu = `${side.clientUs.toFixed(2).padStart(8)} ${side.serverUs.toFixed(2).padStart(8)} us`;
  return `  ${side.name.padEnd(16)}${rate}${volume}   ${comparedText(side, ours)}   ${cpu}`;
}

function comparedText(side: SideOutcome, ours: SideOutcome | undefined): string {
  if (ours === undefined || ours === side) return ''.padEnd(28);
  const { median, low, high } = spreadOf(ratios(ours.values, side.values));
  return `ours ${figure(median)} x (${figure(low)}-${figure(high)})`.padEnd(28);
}

export function aimText({ aim, beside, median, low, high, isMet }: AimOutcome): string {
  const bound = aim.atMost === undefined ? `>= ${aim.atLeast}` : `<= ${aim.atMost}`;
  const spread = `${figure(median)} (${figure(low)}-${figure(high)})`;
  const best = `${beside.length > 1 ? 'the best of ' : ''}${beside.join(', ')}`;
  return `${isMet ? 'met   ' : 'MISSED'} ${spread} ${bound} x ${best}`;
}

/** Small ones with more digits. */
const figure = (value: number): string => value.toFixed(value < 0.1 ? 4 : value < 10 ? 2 : 1);

/** Rounds that an aim is judged by; fewer are for a first look. */
const JUDGED_ROUNDS = 5;

export function aimsText(outcomes: readonly LineOutcome[], rounds: number): string {
  const all = outcomes.flatMap(judge);
  if (all.length === 0) return '';
  const met = all.filter(({ isMet }) => isMet).length;
  const lines = all.map((each) => {
    const { line, prototype } = each.aim;
    const before = prototype === undefined ? '' : `   (prototype ${prototype})`;
    return `${line.padEnd(18)}${aimText(each)}${before}`;
  });
  const doubt =
    rounds < JUDGED_ROUNDS ? `, in ${rounds} rounds: it takes ${JUDGED_ROUNDS} to judge` : '';
  return [`\n${met} of ${all.length} aims met${doubt}`, ...lines].join('\n');
}

/** Everything that was measured, for programs. */
export function jsonOf(run: {
  readonly machine: Machine;
  readonly options: Options;
  readonly ground: { readonly contestants: Contestants; readonly missing: readonly string[] };
  readonly outcomes: readonly LineOutcome[];
  readonly verified: string;
}): string {
  const { rounds, records, bulkRecords, forMs, seed, workers = 1 } = run.options;
  const peers = [...run.ground.contestants].map(([name, { version, durability, client }]) => ({
    ...{ name, version, security: client.security, durability },
  }));
  const lines = run.outcomes.map((outcome) => ({
    ...{ name: outcome.line.name, title: outcome.line.title, unit: outcome.line.unit },
    foreignCores: outcome.foreignCores,
    sides: outcome.sides.map((side) => ({
      ...side,
      ...{ value: spreadOf(side.values) },
      ...{ ours: spreadOf(ratios(outcome.sides[0]?.values ?? [], side.values)) },
    })),
    aims: judge(outcome).map(({ aim, ...rest }) => ({ ...aim, ...rest })),
  }));
  const settings = {
    rounds,
    records,
    recordBytes: RECORD_BYTES,
    bulkRecords,
    forMs,
    seed,
    workers,
  };
  const { machine, verified } = run;
  const missing = run.ground.missing;
  return `${JSON.stringify({ machine, settings, peers, missing, lines, verified }, undefined, 2)}\n`;
}
