// What wrong passwords cost those who know theirs, and whether a clock tells names that are there from names that
// are not. Starts the real program and talks to it from addresses of 127.0.0.0/8:
//
//   npm run build && npx tsx test/bench/logins.ts [samples]
//
// It prints the ratio of a right login during 10,000 wrong ones to one in peace, and a Mann-Whitney test of the
// times of known and unknown names. It does not prove anything about networks: everything is on one machine.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashPassword } from '../../server/access/password-hash.js';
import { encodeUsers, USERS_FILE, type User } from '../../server/access/user.js';
import { StateDirectory } from '../../server/state/state-directory.js';
import { frameBytesMax } from '../../shared/base/limits.js';
import { decodeReply, encodeRequest } from '../../shared/protocol/codec.js';
import { FrameReader } from '../../shared/protocol/frame-reader.js';
import { FrameWriter } from '../../shared/protocol/frame-writer.js';
import type { Reply, Request } from '../../shared/protocol/message.js';
import { PREAMBLE, PROTOCOL_VERSION } from '../../shared/protocol/version.js';
import { startDaemon } from '../fixture/daemon.js';

const PASSWORD = 'correct horse';
const ATTACK_TRIES = 10_000;
const ATTACK_CONNECTIONS = 32;
const KNOWN_USERS = 40;

/** One connection that has said hello. */
class Visitor {
  readonly #socket: Socket;
  readonly #reader = new FrameReader({ direction: 'reply', frameBytesMax });

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async arrive(port: number, localAddress: string): Promise<Visitor> {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    await once(socket, 'connect');
    socket.setNoDelay(true);
    socket.write(PREAMBLE);
    const visitor = new Visitor(socket);
    await visitor.#ask({ verb: 'hello', protocol: PROTOCOL_VERSION, software: 'bench' });
    return visitor;
  }

  /** The reply to a login and how long it took, in milliseconds. */
  async login(user: string, password: string): Promise<{ verb: string; ms: number }> {
    const before = performance.now();
    const { verb } = await this.#ask({ verb: 'login', user, password });
    return { verb, ms: performance.now() - before };
  }

  leave(): void {
    this.#socket.destroy();
  }

  async #ask(request: Request): Promise<Reply> {
    const writer = new FrameWriter();
    encodeRequest(writer, request, 0, 1);
    for (const piece of writer.take()) this.#socket.write(piece);
    for (;;) {
      const frame = this.#reader.next();
      if (frame !== undefined) return decodeReply(frame.verb, frame.bytes, frame);
      const [chunk] = (await once(this.#socket, 'data')) as [Buffer];
      this.#reader.push(chunk);
    }
  }
}

async function loginMs(port: number, address: string, user: string, password: string) {
  const visitor = await Visitor.arrive(port, address);
  const { verb, ms } = await visitor.login(user, password);
  visitor.leave();
  return { verb, ms };
}

/** Wrong passwords for a name that is there, from one address, as fast as the server takes them. */
async function attack(port: number): Promise<void> {
  let left = ATTACK_TRIES;
  const hammer = async (): Promise<void> => {
    while (left-- > 0) await loginMs(port, '127.0.0.66', 'known0', `wrong ${left}`);
  };
  await Promise.all(Array.from({ length: ATTACK_CONNECTIONS }, hammer));
}

async function rightLogins(port: number, address: string, goOn: () => boolean): Promise<number[]> {
  const times: number[] = [];
  while (goOn() || times.length === 0) {
    const { verb, ms } = await loginMs(port, address, 'known0', PASSWORD);
    if (verb !== 'login') throw new Error(`the right password was refused: ${verb}`);
    times.push(ms);
  }
  return times;
}

async function measureRatio(port: number): Promise<void> {
  const inPeace = (rounds = 30) => rightLogins(port, '127.0.0.7', () => rounds-- > 0);
  const peace = await inPeace();
  const started = performance.now();
  const child = fork(fileURLToPath(import.meta.url), ['attack', String(port)], {
    execArgv: ['--import', 'tsx'],
  });
  let isOver = false;
  const ended = once(child, 'exit').then(() => {
    isOver = true;
  });
  const attacked = await rightLogins(port, '127.0.0.8', () => !isOver);
  await ended;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  peace.push(...(await inPeace())); // on both sides of it, in case the machine has changed its pace
  const [before, during] = [median(peace), median(attacked)];
  console.log(`right login in peace        median ${before.toFixed(1)} ms of ${peace.length}`);
  console.log(
    `during ${ATTACK_TRIES} wrong ones   median ${during.toFixed(1)} ms of ${attacked.length}`,
  );
  console.log(
    `                            worst  ${Math.max(...attacked).toFixed(1)} ms, attack ${seconds} s`,
  );
  console.log(`ratio of medians ${(during / before).toFixed(2)}`);
}

/** Known and unknown names in random order, each try from an address of its own. */
async function measureNames(port: number, samples: number): Promise<void> {
  const known: number[] = [];
  const unknown: number[] = [];
  for (let count = 0; count < samples * 2; count++) {
    const isKnown = known.length < samples && (unknown.length >= samples || Math.random() < 0.5);
    const times = isKnown ? known : unknown;
    const name = `${isKnown ? 'known' : 'other'}${times.length % KNOWN_USERS}`;
    const address = `127.1.${count >> 8}.${count & 255 || 1}`;
    times.push((await loginMs(port, address, name, 'wrong password')).ms);
  }
  const { z, p } = mannWhitney(known, unknown);
  console.log(`known names    median ${median(known).toFixed(2)} ms of ${known.length}`);
  console.log(`unknown names  median ${median(unknown).toFixed(2)} ms of ${unknown.length}`);
  console.log(
    `Mann-Whitney z ${z.toFixed(2)}, p ${p.toFixed(3)} (below 0.01 they could be told apart)`,
  );
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Two-sided, by the normal approximation, which is good above some twenty values a side. */
function mannWhitney(one: readonly number[], other: readonly number[]): { z: number; p: number } {
  const all = [
    ...one.map((ms) => ({ ms, isOne: true })),
    ...other.map((ms) => ({ ms, isOne: false })),
  ];
  all.sort((a, b) => a.ms - b.ms);
  const rankSum = all.reduce((sum, { isOne }, index) => sum + (isOne ? index + 1 : 0), 0);
  const [n, m] = [one.length, other.length];
  const u = rankSum - (n * (n + 1)) / 2;
  const z = (u - (n * m) / 2) / Math.sqrt((n * m * (n + m + 1)) / 12);
  return { z, p: 2 * (1 - normal(Math.abs(z))) };
}

/** The normal distribution, by Abramowitz and Stegun 26.2.17. */
function normal(x: number): number {
  const t = 1 / (1 + 0.2316419 * x);
  const factors = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429];
  const sum = factors.reduce((total, factor, index) => total + factor * t ** (index + 1), 0);
  return 1 - (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * sum;
}

async function makeUsers(data: string): Promise<void> {
  const password = await hashPassword(PASSWORD);
  const now = new Date().toISOString();
  const rest = { grants: [], certificates: [], disabled: false, created: now, changed: now };
  const users: User[] = Array.from({ length: KNOWN_USERS }, (_, index) => ({
    name: `known${index}`,
    password,
    ...rest,
  }));
  new StateDirectory(data).writeJson(USERS_FILE, encodeUsers(users));
}

async function main(samples: number): Promise<void> {
  const undo: (() => unknown)[] = [];
  const data = mkdtempSync(join(tmpdir(), 'rsynd-logins-'));
  try {
    await makeUsers(data);
    const teardown = { teardown: (step: () => unknown) => undo.push(step) };
    const server = await startDaemon(teardown, ['-d', data]);
    await measureNames(server.port, samples);
    await measureRatio(server.port);
    await server.stop();
  } finally {
    for (const step of undo) step();
    rmSync(data, { recursive: true, force: true });
  }
}

const [mode = '300', port = '0'] = process.argv.slice(2);
if (mode === 'attack') await attack(Number(port));
else await main(Number(mode));
