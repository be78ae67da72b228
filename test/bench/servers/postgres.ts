// A PostgreSQL of its own for benches: private data directory, own port, TLS 1.3 with AES-256-GCM only, gone
// when the bench ends. Uses Debian's packages where they are; undefined where PostgreSQL is not installed.

import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { CertificateFiles } from '../../fixture/certificate.js';
import type { Teardown } from '../../fixture/daemon.js';
import { freePort } from './free-port.js';

export interface RunningPostgres {
  readonly version: string;
  readonly pid: number;
  readonly port: number;
  /** What it says of it itself. */
  readonly durability: string;
  /** A connection over TLS that trusts only our certificate. */
  connect(): Promise<pg.Client>;
}

const VERSIONS = '/usr/lib/postgresql';

/** `bundle` holds key and certificate, `ca` the certificate to trust. */
export async function startPostgres(
  t: Teardown,
  directory: string,
  { bundle, ca }: CertificateFiles,
): Promise<RunningPostgres | undefined> {
  const bin = programs();
  if (bin === undefined) return undefined;
  const owner = ownerOfServer();
  const home = join(directory, 'postgres');
  mkdirSync(home);
  for (const path of [directory, home]) chmodSync(path, 0o755);
  chownSync(home, owner.uid, owner.gid);
  const run = (program: string, args: readonly string[]): void => {
    const { status, stderr } = spawnSync(join(bin, program), args, { ...owner, cwd: home });
    if (status !== 0) throw new Error(`${program}: ${stderr}`);
  };
  const data = join(home, 'data');
  run('initdb', ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C']);
  const key = join(home, 'server.pem');
  writeFileSync(key, readFileSync(bundle), { mode: 0o600 });
  chownSync(key, owner.uid, owner.gid);
  const port = await freePort();
  const server = spawn(
    join(bin, 'postgres'),
    ['-D', data, ...settings({ port, key, home }).flatMap((each) => ['-c', each])],
    { ...owner, cwd: home, stdio: 'ignore' },
  );
  t.teardown(() => stop(server));
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      user: 'bench',
      database: 'postgres',
      ssl: { ca: readFileSync(ca, 'utf8'), servername: 'localhost', host: 'localhost' },
    });
    await client.connect();
    return client;
  };
  const first = await untilReady(connect);
  const ask = async (setting: string): Promise<string> => {
    const { rows } = await first.query<{ value: string }>('select current_setting($1) as value', [
      setting,
    ]);
    return rows[0]?.value ?? '';
  };
  const [version = ''] = (await ask('server_version')).split(' ');
  const durable = ['fsync', 'synchronous_commit', 'full_page_writes'];
  const said: string[] = [];
  for (const name of durable) said.push(`${name} ${await ask(name)}`);
  await first.end();
  return { version, pid: server.pid ?? 0, port, durability: said.join(', '), connect };
}

const settings = (at: { port: number; key: string; home: string }): string[] => [
  `port=${at.port}`,
  'listen_addresses=127.0.0.1',
  `unix_socket_directories=${at.home}`,
  'ssl=on',
  `ssl_cert_file=${at.key}`,
  `ssl_key_file=${at.key}`,
  'ssl_min_protocol_version=TLSv1.3',
  'shared_buffers=1GB',
  'max_connections=200',
  'fsync=on',
  'synchronous_commit=on',
  'max_wal_size=4GB',
  'checkpoint_timeout=30min',
];

function programs(): string | undefined {
  if (!existsSync(VERSIONS)) return undefined;
  const newest = readdirSync(VERSIONS)
    .sort((a, b) => Number(b) - Number(a))
    .find((version) => existsSync(join(VERSIONS, version, 'bin', 'initdb')));
  return newest === undefined ? undefined : join(VERSIONS, newest, 'bin');
}

/** PostgreSQL does not run as root: then it runs as the user of Debian's package. */
function ownerOfServer(): { uid: number; gid: number } {
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0) return { uid, gid: process.getgid?.() ?? 0 };
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((each) => each.startsWith('postgres:'));
  const [, , user = '', group = ''] = line?.split(':') ?? [];
  if (user === '') throw new Error('there is no user postgres to run PostgreSQL as');
  return { uid: Number(user), gid: Number(group) };
}

async function untilReady(connect: () => Promise<pg.Client>): Promise<pg.Client> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await connect();
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function stop(server: ReturnType<typeof spawn>): Promise<void> {
  if (server.exitCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    server.once('exit', () => resolve());
    server.kill('SIGINT'); // its fast shutdown
  });
}

const FILL_BATCH = 10_000;

/** Table `bench` with the records 0 to `records`, and table `bulk` like it without any. */
export async function fillPostgres(
  postgres: RunningPostgres,
  fill: { readonly records: number; readonly groups: number },
): Promise<void> {
  const client = await postgres.connect();
  const { records, groups } = fill;
  const columns = 'number char(8), grp char(8), grade int, exact numeric(4), rest char(174)';
  for (const table of ['bench', 'bulk']) await client.query(`create table ${table} (${columns})`);
  for (let from = 0; from < records; from += FILL_BATCH) {
    await client.query(
      `insert into bench select lpad(n::text, 8, '0'), lpad((n % $3::int)::text, 8, '0'),
       (n::bigint * 7919) % 100, (n::bigint * 7919) % 100, repeat('x', 174)
       from generate_series($1::int, $2::int) n`,
      [from, Math.min(records, from + FILL_BATCH) - 1, groups],
    );
  }
  for (const table of ['bench', 'bulk']) {
    await client.query(`alter table ${table} add primary key (number)`);
    await client.query(`create index on ${table} (grp)`);
  }
  await client.query('vacuum analyze bench');
  await client.query('checkpoint');
  await client.end();
}
