// Runs a line: every side once unmeasured, then all in turn, round after round, there and back.

import type { ClientProcess } from './client-process.js';
import { cpuTimeUs, machineTimeUs } from './cpu-time.js';
import type { Line, LineOutcome, Side, SideOutcome } from './line.js';
import { allowedCpus, pin } from './pin.js';
import type { Measured, PeerName } from './task.js';

/** A peer that was found: its server and its client. */
export interface Contestant {
  readonly file: SharedFile;
  readonly version: string;
  readonly durability: string;
  readonly serverPid: number;
  readonly client: ClientProcess;
}

/** What all clients of a server store into. */
export interface SharedFile {
  /** Number of the first record that is not stored yet. */
  next: number;
}

export type Contestants = ReadonlyMap<PeerName, Contestant>;

interface Run extends Measured {
  readonly serverUs: number;
}

export async function runLine(
  line: Line,
  contestants: Contestants,
  rounds: number,
): Promise<LineOutcome> {
  const present = line.sides.filter(({ peer }) => contestants.has(peer));
  const release = line.isOnOneCpu === true ? pinned(present, contestants) : () => {};
  const runs = new Map<Side, Run[]>(present.map((side) => [side, []]));
  const before = { ours: cpuTimeUs(process.pid), all: machineTimeUs(), at: performance.now() };
  try {
    for (const side of present) await runSide(side, contestants); // the first one compiles
    for (let round = 0; round < (line.unit === 'bytes' ? 1 : rounds); round++) {
      for (const side of round % 2 === 0 ? present : present.toReversed()) {
        runs.get(side)?.push(await runSide(side, contestants));
      }
    }
  } finally {
    release();
  }
  const foreignUs = machineTimeUs() - before.all - (cpuTimeUs(process.pid) - before.ours);
  const foreignCores = Math.max(0, foreignUs / 1000 / (performance.now() - before.at));
  const sides = [...runs].map(([side, done]) => outcome(line, side, done));
  return { line, sides, foreignCores };
}

async function runSide({ peer, task, name }: Side, contestants: Contestants): Promise<Run> {
  const contestant = contestants.get(peer);
  if (contestant === undefined) throw new Error(`${name} takes no part`);
  const before = cpuTimeUs(contestant.serverPid);
  const { file, client } = contestant;
  const measured = await client.run({ task, next: file.next });
  file.next = measured.next;
  return { ...measured, serverUs: cpuTimeUs(contestant.serverPid) - before };
}

function outcome(line: Line, { name }: Side, runs: readonly Run[]): SideOutcome {
  const total = (figure: (run: Run) => number): number =>
    runs.reduce((sum, run) => sum + figure(run), 0);
  const count = total((run) => run.count);
  return {
    name,
    values: runs.map((run) => (line.unit === 'bytes' ? run.count : (run.count * 1000) / run.ms)),
    clientUs: total(({ cpuUs }) => cpuUs) / count,
    serverUs: total(({ serverUs }) => serverUs) / count,
  };
}

/** Puts the sides on one CPU; what it returns lets them go. */
function pinned(sides: readonly Side[], contestants: Contestants): () => void {
  const cpus = allowedCpus();
  const one = cpus?.match(/\d+/)?.[0];
  if (cpus === undefined || one === undefined) return () => {};
  const pids = sides.flatMap(({ peer }) => {
    const contestant = contestants.get(peer);
    return contestant === undefined ? [] : [contestant.serverPid, contestant.client.pid];
  });
  pin(pids, one);
  return () => pin(pids, cpus);
}
