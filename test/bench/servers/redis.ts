// A Redis of its own for benches: private data directory, own port, TLS 1.3 with AES-256-GCM only, every
// write on the disk before it is answered. Undefined where redis-server is not installed.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { CertificateFiles } from '../../fixture/certificate.js';
import type { Teardown } from '../../fixture/daemon.js';
import { freePort } from './free-port.js';

export interface RunningRedis {
  readonly version: string;
  readonly pid: number;
  readonly port: number;
}

export async function startRedis(
  t: Teardown,
  directory: string,
  { bundle, ca }: CertificateFiles,
): Promise<RunningRedis | undefined> {
  const said = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  if (said.status !== 0) return undefined;
  const home = join(directory, 'redis');
  mkdirSync(home);
  const port = await freePort();
  const server = spawn('redis-server', settings({ port, bundle, ca, home }), { stdio: 'ignore' });
  t.teardown(async () => {
    if (server.exitCode !== null) return;
    server.kill('SIGTERM');
    await once(server, 'exit');
  });
  return { version: /v=([\d.]+)/.exec(said.stdout)?.[1] ?? '', pid: server.pid ?? 0, port };
}

/** No snapshots and no rewriting of the log: what would disturb it does not happen while it is measured. */
const settings = (at: CertificateFiles & { port: number; home: string }): string[] => [
  ...['--port', '0', '--tls-port', String(at.port), '--bind', '127.0.0.1', '--dir', at.home],
  ...['--tls-cert-file', at.bundle, '--tls-key-file', at.bundle, '--tls-ca-cert-file', at.ca],
  ...['--tls-auth-clients', 'no', '--tls-protocols', 'TLSv1.3'],
  ...['--tls-ciphersuites', 'TLS_AES_256_GCM_SHA384'],
  ...['--appendonly', 'yes', '--appendfsync', 'always'],
  ...['--save', '', '--auto-aof-rewrite-percentage', '0'],
];

const FILL_BATCH = 10_000;
/** Makes records by number as record.ts does. */
const FILL = `
  for number = ARGV[1], ARGV[2] - 1 do
    redis.call('SET', string.format('%08d', number), string.format('%08d%08d%04d', number,
      number % ARGV[3], (number * 7919) % 100) .. string.rep('x', ARGV[4]))
  end`;

/** Stores the records 0 to `records`; resolves with what it says of its durability. */
export async function fillRedis(
  { port }: RunningRedis,
  { ca }: CertificateFiles,
  fill: { readonly records: number; readonly groups: number; readonly restBytes: number },
): Promise<string> {
  const tls = { ca: readFileSync(ca), servername: 'localhost' };
  const redis = new Redis({ host: '127.0.0.1', port, tls });
  redis.on('error', () => {}); // it is still starting: it tries again
  for (let from = 0; from < fill.records; from += FILL_BATCH) {
    const to = Math.min(fill.records, from + FILL_BATCH);
    await redis.eval(FILL, 0, from, to, fill.groups, fill.restBytes);
  }
  const settings = await redis.config('GET', 'append*');
  redis.disconnect();
  return durability(settings);
}

/** Of names and values in turn. */
function durability(settings: unknown): string {
  const words = Array.isArray(settings) ? settings.map(String) : [];
  return ['appendonly', 'appendfsync']
    .map((name) => `${name} ${words[words.indexOf(name) + 1]}`)
    .join(', ');
}
