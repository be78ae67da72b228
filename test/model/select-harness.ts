// Asks selects of a session and reads their answers, and a file of orders to ask about. For the tests of
// server/select; what a select should answer is worked out there from the rows made here.

import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { DataReply, Reply, SelectRequest } from '../../shared/protocol/message.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { SelectQuery } from '../../shared/select/query.js';
import {
  type EngineName,
  type Ground,
  makeGround,
  plainSpec,
  SessionHarness,
  splitData,
} from './session-harness.js';

/** One select under way, or ended. */
export class Asked {
  readonly id: number;
  readonly #session: SessionHarness;

  constructor(session: SessionHarness, id: number) {
    this.#session = session;
    this.id = id;
  }

  get replies(): Reply[] {
    return this.#session.replies.flatMap(({ reply, id }) => (id === this.id ? [reply] : []));
  }

  get last(): Reply | undefined {
    return this.replies.find(({ verb }) => verb === 'selected' || verb === 'error');
  }

  /** Its code, when it ended with an error; `selected` otherwise. */
  get outcome(): string {
    const { last } = this;
    return last?.verb === 'error' ? last.code : (last?.verb ?? 'nothing');
  }

  get selected(): Extract<Reply, { verb: 'selected' }> {
    const { last } = this;
    if (last?.verb === 'selected') return last;
    throw new Error(last?.verb === 'error' ? last.message : 'not ended yet');
  }

  get data(): DataReply[] {
    return this.replies.flatMap((reply) => (reply.verb === 'data' ? [reply] : []));
  }

  get records(): Buffer[] {
    return this.data.flatMap(splitData);
  }

  /** Text of the records. */
  get texts(): string[] {
    return this.records.map((record) => record.toString('latin1'));
  }

  /** The pairs of a join; an own record alone has '' beside it. */
  get pairs(): [string, string][] {
    const parts = this.texts;
    return Array.from({ length: parts.length / 2 }, (_, index) => [
      parts[2 * index] ?? '',
      parts[2 * index + 1] ?? '',
    ]);
  }

  get rows(): (readonly unknown[])[] {
    return this.replies.flatMap((reply) => (reply.verb === 'rows' ? [...reply.rows] : []));
  }

  /** The records of a locking select. */
  get locked(): string[] {
    return this.replies.flatMap((reply) =>
      reply.verb === 'record' ? [Buffer.from(reply.record).toString('latin1')] : [],
    );
  }

  credit(bytes: number): void {
    this.#session.session.handle({ verb: 'credit', bytes }, 1, this.id);
  }

  cancel(): void {
    this.#session.session.handle({ verb: 'cancel' }, 1, this.id);
  }

  async ended(): Promise<this> {
    await until(() => this.last !== undefined);
    return this;
  }
}

/** Waits for a fact, turn by turn. */
export async function until(isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error('it did not come about');
    await new Promise(setImmediate);
  }
}

/** Starts a select on channel 1, with ample credit unless told. */
export function begin(
  session: SessionHarness,
  query: SelectQuery,
  change: Partial<SelectRequest> = {},
): Asked {
  // Far from the numbers the session harness gives out.
  const id = randomInt(2 ** 24, 2 ** 31);
  const request: SelectRequest = {
    verb: 'select',
    action: 'read',
    query,
    locking: false,
    onLocked: 'fail',
    waitMs: 0,
    credit: 8 * 1024 * 1024,
    ...change,
  };
  session.session.handle(request, 1, id);
  return new Asked(session, id);
}

export const ask = (
  session: SessionHarness,
  query: SelectQuery,
  change: Partial<SelectRequest> = {},
): Promise<Asked> => begin(session, query, change).ended();

/** A row of the file of orders. */
export interface Order {
  readonly id: number;
  readonly state: string;
  /** In cents. */
  readonly total: number;
  readonly note: string;
}

export const orderSpec: FileSpec = plainSpec({
  record: { size: 30, format: 'fixed' },
  keys: [
    {
      name: 'ID',
      segments: [{ offset: 0, length: 6, type: 'decimal', order: 'ascending' }],
      dups: 'none',
      modifiable: false,
    },
    {
      name: 'STATE',
      segments: [{ offset: 6, length: 2, type: 'alpha', order: 'ascending' }],
      dups: 'fifo',
      modifiable: true,
    },
  ],
  fields: [
    { name: 'id', type: 'decimal', offset: 0, length: 6 },
    { name: 'state', type: 'alpha', offset: 6, length: 2 },
    { name: 'total', type: 'decimal', offset: 8, length: 8, precision: 2 },
    { name: 'note', type: 'alpha', offset: 16, length: 14 },
  ],
});

export const orderText = ({ id, state, total, note }: Order): string =>
  String(id).padStart(6, '0') + state.padEnd(2) + String(total).padStart(8, '0') + note.padEnd(14);

export interface OrderFile {
  readonly ground: Ground;
  readonly path: string;
  readonly directory: string;
  readonly session: SessionHarness;
}

/** A file of these orders, open in update mode on channel 1. */
export async function makeOrders(
  t: Test,
  engine: EngineName,
  orders: readonly Order[],
): Promise<OrderFile> {
  const ground = makeGround(engine);
  const directory = t.testdir();
  const path = join(directory, 'orders.ism');
  const session = new SessionHarness(ground.services);
  await session.call({ verb: 'create', name: path, spec: orderSpec });
  await session.open(path);
  for (let at = 0; at < orders.length; at += 2000) {
    const records = orders.slice(at, at + 2000).map((order) => Buffer.from(orderText(order)));
    await session.call({ verb: 'storeMany', records });
  }
  t.teardown(async () => {
    await session.close();
    await ground.close();
  });
  return { ground, path, directory, session };
}

const STATES = ['CA', 'OR', 'WA', 'NV', 'TX'];

/** Orders 1 … `count`, by a simple rule. */
export const makeOrderRows = (count: number): Order[] =>
  Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    state: STATES[(index * 7) % STATES.length] ?? 'CA',
    total: ((index * 7919) % 10_007) * 10,
    note: `note ${(index * 31) % 97}`,
  }));
