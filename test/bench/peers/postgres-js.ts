// PostgreSQL through postgres.js, which pipelines: many statements in flight on one connection. Each
// statement is a transaction of its own, as every store of the others is.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import postgres from 'postgres';
import { type Peer, present, type Session } from '../peer.js';
import { keyOf } from '../record.js';
import type { ClientOptions, ScanTask } from '../task.js';
import { columnsOf, copyLineOf } from './columns.js';

const FETCH_ROWS = 1000;
const COPY_BYTES = 64 * 1024;

export async function postgresJsPeer({ port, ca }: ClientOptions): Promise<Peer> {
  const authority = readFileSync(ca, 'utf8');
  /** One connection. */
  const dial = (): postgres.Sql =>
    postgres({
      ...{ host: '127.0.0.1', port, user: 'bench', database: 'postgres', max: 1 },
      ...{ ssl: { ca: authority, servername: 'localhost' }, fetch_types: false },
    });
  const first = dial();

  return {
    async security() {
      const [row] = await first<{ version: string; cipher: string }[]>`
        select version, cipher from pg_stat_ssl where pid = pg_backend_pid()`;
      return row === undefined ? 'plain' : `${row.version} ${row.cipher}`;
    },
    session: async () => new PostgresJsSession(dial()),
    scan: (task) => scan(first, task),
    async bulk({ records }) {
      const pieces = copyPieces(records);
      await first`truncate bulk`;
      return () => copy(first, pieces);
    },
    async open() {
      const sql = dial();
      await new PostgresJsSession(sql).read(0);
      await sql.end();
    },
    close: () => first.end(),
  };
}

async function scan(sql: postgres.Sql, { order, shape }: ScanTask): Promise<number> {
  const query = sql`
    select number, grp, grade, rest from bench ${order === 'key' ? sql`order by number` : sql``}`;
  let count = 0;
  const add = (rows: readonly unknown[]): void => {
    for (const _ of rows) count++;
  };
  await (shape === 'typed' ? query : query.raw()).cursor(FETCH_ROWS, add);
  return count;
}

/** Rows as COPY takes them, in pieces as large as are written at once. */
function copyPieces(records: number): Buffer[] {
  const pieces: Buffer[] = [];
  let text = '';
  for (let number = 0; number < records; number++) {
    text += copyLineOf(number);
    if (text.length < COPY_BYTES) continue;
    pieces.push(Buffer.from(text));
    text = '';
  }
  return [...pieces, Buffer.from(text)];
}

async function copy(sql: postgres.Sql, pieces: readonly Buffer[]): Promise<void> {
  const into = await sql`copy bulk from stdin`.writable();
  for (const piece of pieces) {
    if (!into.write(piece)) await once(into, 'drain');
  }
  into.end();
  await once(into, 'finish');
}

class PostgresJsSession implements Session {
  readonly #sql: postgres.Sql;

  constructor(sql: postgres.Sql) {
    this.#sql = sql;
  }

  async read(number: number): Promise<unknown> {
    const [row] = await this.#sql`
      select number, grp, grade, rest from bench where number = ${keyOf(number)}`;
    return present(row, number);
  }

  store(number: number): Promise<unknown> {
    const [key, grp, grade, exact, rest] = columnsOf(number);
    return this
      .#sql`insert into bench values (${key}, ${grp}, ${grade}, ${exact}, ${rest})`.execute();
  }

  update(): Promise<unknown> {
    return Promise.reject(new Error('see pg: a transaction has a connection for itself anyway'));
  }

  close(): Promise<unknown> {
    return this.#sql.end();
  }
}
