// Everything a run needs, in the order it is started: directory, certificate, files, servers, clients. What is
// not installed is left out, and said.

import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { isamc, open } from '../../client/index.js';
import { type CertificateFiles, writeCertificate } from '../fixture/certificate.js';
import { runProgram, startDaemon, type Teardown } from '../fixture/daemon.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';
import { ClientProcess } from './client-process.js';
import type { Options } from './options.js';
import { allowedCpus } from './pin.js';
import { GROUPS, REST_BYTES, recordsFrom, rows } from './record.js';
import type { Contestant, SharedFile } from './rounds.js';
import { startLimit } from './servers/limit.js';
import { fillPostgres, startPostgres } from './servers/postgres.js';
import { fillRedis, startRedis } from './servers/redis.js';
import type { PeerName } from './task.js';

const PROTECTED = 'TLSv1.3 TLS_AES_256_GCM_SHA384';
const RSYND_DURABILITY = 'a write is answered when it is on the disk';
const FILES = ['bench.ism', 'bulk.ism'];

export interface Ground {
  readonly contestants: ReadonlyMap<PeerName, Contestant>;
  /** What is not installed. */
  readonly missing: readonly string[];
  /** Stops clients and daemons and checks every index of their files: what isutl -v says. */
  verify(): Promise<string>;
}

interface Server {
  readonly durability: string;
  readonly file: SharedFile;
  readonly version: string;
  readonly pid: number;
  readonly port: number;
}

export async function prepareGround(t: Teardown, options: Options): Promise<Ground> {
  const directory = temporaryDirectory(t, 'tls', 'clear');
  const certificate = await writeCertificate(directory);
  const folders = { rsynd: join(directory, 'tls'), plain: join(directory, 'clear') };
  await makeFiles(folders.rsynd, options.records);
  cpSync(folders.rsynd, folders.plain, { recursive: true });
  const servers = new Map<PeerName, Server>();
  const daemons = await startDaemons(t, folders, certificate, options, servers);
  const missing = await startOthers(t, directory, certificate, options, servers);

  const contestants = new Map<PeerName, Contestant>();
  for (const [name, server] of servers) {
    contestants.set(name, await enter(t, name, server, certificate, options));
  }
  return {
    contestants,
    missing,
    async verify() {
      for (const { client } of contestants.values()) client.stop();
      for (const daemon of daemons) await daemon.stop();
      return verifyFiles(Object.values(folders));
    },
  };
}

async function makeFiles(folder: string, records: number): Promise<void> {
  for (const name of FILES) await isamc(join(folder, name), rows);
  await using loader = await open(join(folder, 'bench.ism'), { mode: 'append' });
  await loader.storeMany(recordsFrom(0, records));
}

async function startDaemons(
  t: Teardown,
  folders: { readonly rsynd: string; readonly plain: string },
  { bundle }: CertificateFiles,
  { records, workers }: Options,
  servers: Map<PeerName, Server>,
) {
  const encrypted = ['--encrypt', '--scl=3', `--cert=${bundle}`];
  const daemons = [];
  for (const [name, security] of [
    ['rsynd', encrypted],
    ['plain', []],
  ] as const) {
    const common = ['-n', '-u', 'bench', '--log-level', 'warn'];
    if (workers !== undefined) common.push('--workers', String(workers));
    const daemon = await startDaemon(t, ['-d', folders[name], ...common, ...security]);
    servers.set(name, {
      ...{ version: '', durability: RSYND_DURABILITY, file: { next: records } },
      ...{ pid: daemon.process.pid ?? 0, port: daemon.port },
    });
    daemons.push(daemon);
  }
  return daemons;
}

/** What was not found. */
async function startOthers(
  t: Teardown,
  directory: string,
  certificate: CertificateFiles,
  { records }: Options,
  servers: Map<PeerName, Server>,
): Promise<string[]> {
  const missing = allowedCpus() === undefined ? ['taskset'] : [];
  const postgres = await startPostgres(t, directory, certificate);
  if (postgres === undefined) missing.push('postgresql');
  else {
    await fillPostgres(postgres, { records, groups: GROUPS });
    const server = { ...postgres, file: { next: records } };
    servers.set('pg', server).set('postgres.js', server);
  }
  const redis = await startRedis(t, directory, certificate);
  if (redis === undefined) missing.push('redis-server');
  else {
    const fill = { records, groups: GROUPS, restBytes: REST_BYTES };
    const durability = await fillRedis(redis, certificate, fill);
    servers.set('redis', { ...redis, durability, file: { next: records } });
  }
  const limit = await startLimit(t, directory, certificate);
  const durability = 'fdatasync before a store is answered';
  servers.set('tls', { version: '', durability, ...limit, file: { next: records } });
  return missing;
}

async function enter(
  t: Teardown,
  name: PeerName,
  { version, durability, pid, port, file }: Server,
  { ca }: CertificateFiles,
  { records, seed }: Options,
): Promise<Contestant> {
  const client = await ClientProcess.start(name, { port, ca, records, seed });
  t.teardown(() => client.stop());
  const wanted = name === 'plain' ? 'plain' : PROTECTED;
  if (client.security !== wanted) throw new Error(`${name} has ${client.security}, not ${wanted}`);
  return { version, durability, serverPid: pid, client, file };
}

async function verifyFiles(folders: readonly string[]): Promise<string> {
  const files = folders.flatMap((folder) => FILES.map((name) => join(folder, name)));
  const { code, stdout, stderr } = await runProgram('dist/server/isutl.js', ['-v', ...files]);
  if (code !== 0) throw new Error(`isutl -v ended with ${code}: ${stdout}${stderr}`);
  return stdout.trim();
}
