// PostgreSQL through pg: prepared statements, one in flight on a connection, a cursor of 1000 rows a fetch.

import { readFileSync } from 'node:fs';
import pg from 'pg';
import { type Peer, present, type Session } from '../peer.js';
import { keyOf, WANTED_GRADE } from '../record.js';
import type { ClientOptions, FilterTask, ScanTask } from '../task.js';
import { type Columns, columnsOf } from './columns.js';

const FETCH_ROWS = 1000;
const SELECT = 'select number, grp, grade, rest from bench';
/** Columns as they came. */
const UNTOUCHED: pg.CustomTypesConfig = { getTypeParser: () => (value: unknown) => value };

export async function postgresPeer({ port, ca }: ClientOptions): Promise<Peer> {
  const authority = readFileSync(ca, 'utf8');
  const dial = async (): Promise<pg.Client> => {
    const ssl = { ca: authority, servername: 'localhost', host: 'localhost' };
    const to = { host: '127.0.0.1', port, user: 'bench', database: 'postgres', ssl };
    const client = new pg.Client(to);
    await client.connect();
    return client;
  };
  const first = await dial();

  return {
    async security() {
      const { rows } = await first.query<{ text: string }>(SECURITY);
      return rows[0]?.text ?? 'plain';
    },
    session: async () => new PostgresSession(await dial()),
    scan: (task) => scan(first, task),
    async filter({ how }: FilterTask) {
      const column = how === 'int' ? 'grade' : 'exact';
      const { rows } = await first.query(`${SELECT} where ${column} = ${WANTED_GRADE}`);
      return rows.length;
    },
    async open() {
      const client = await dial();
      await new PostgresSession(client).read(0);
      await client.end();
    },
    close: () => first.end(),
  };
}

/** What protects the connection that asks. */
export const SECURITY = `select version || ' ' || cipher as text from pg_stat_ssl where pid = pg_backend_pid()`;

async function scan(client: pg.Client, { order, shape }: ScanTask): Promise<number> {
  const fetch: pg.QueryConfig = { text: `fetch ${FETCH_ROWS} from scan` };
  const asked = shape === 'typed' ? fetch : { ...fetch, rowMode: 'array', types: UNTOUCHED };
  await client.query('begin');
  await client.query(
    `declare scan no scroll cursor for ${SELECT}${order === 'key' ? ' order by number' : ''}`,
  );
  let count = 0;
  for (;;) {
    const { rows } = await client.query(asked);
    count += rows.length;
    if (rows.length < FETCH_ROWS) break;
  }
  await client.query('commit');
  return count;
}

class PostgresSession implements Session {
  readonly #client: pg.Client;

  constructor(client: pg.Client) {
    this.#client = client;
  }

  async read(number: number): Promise<unknown> {
    const { rows } = await this.#client.query({
      name: 'read',
      text: `${SELECT} where number = $1`,
      values: [keyOf(number)],
    });
    return present(rows[0], number);
  }

  store(number: number): Promise<unknown> {
    const values: Columns = columnsOf(number);
    const text = 'insert into bench values ($1, $2, $3, $4, $5)';
    return this.#client.query({ name: 'store', text, values: [...values] });
  }

  async update(number: number): Promise<unknown> {
    const values = [keyOf(number)];
    await this.#client.query('begin');
    const text = `${SELECT} where number = $1 for update`;
    const { rows } = await this.#client.query({ name: 'lock', text, values });
    const { rest } = present(rows[0], number);
    await this.#client.query({
      name: 'update',
      text: 'update bench set rest = $2 where number = $1',
      values: [...values, changed(rest)],
    });
    return this.#client.query('commit');
  }

  close(): Promise<unknown> {
    return this.#client.end();
  }
}

/** Another text of the same length. */
const changed = (rest: string): string => rest.slice(0, -1) + (rest.endsWith('x') ? 'y' : 'x');
