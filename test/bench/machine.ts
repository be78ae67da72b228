// Where and with what it was measured: without that a figure is none.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release, totalmem } from 'node:os';

const CLIENTS = ['pg', 'postgres', 'ioredis'];

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly memoryGiB: number;
  readonly node: string;
  readonly openssl: string;
  /** Versions of the client libraries. */
  readonly clients: Readonly<Record<string, string>>;
  readonly commit: string;
  readonly date: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    kernel: release(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    openssl: process.versions.openssl,
    clients: Object.fromEntries(CLIENTS.map((name) => [name, versionOf(name)])),
    commit: commit(),
    date: new Date().toISOString().slice(0, 16),
  };
}

/** Not every library lets its package.json be imported. */
function versionOf(library: string): string {
  const paths = createRequire(import.meta.url).resolve.paths(library) ?? [];
  for (const path of paths) {
    try {
      return JSON.parse(readFileSync(`${path}/${library}/package.json`, 'utf8')).version;
    } catch {
      // not in this folder: the next one
    }
  }
  return 'unknown';
}

function commit(): string {
  const git = (...args: string[]) => spawnSync('git', args, { encoding: 'utf8' });
  const { status, stdout } = git('rev-parse', '--short', 'HEAD');
  if (status !== 0) return 'unknown';
  return (
    stdout.trim() +
    (git('status', '--porcelain', '-uno').stdout.trim() === '' ? '' : ' and changes')
  );
}
