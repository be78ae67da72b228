#!/usr/bin/env node
// The program `isutl`: local files without a server. It puts the tool together, runs one command and
// ends with the exit status that says how it went; the commands are in tool/command/.

import { readFileSync } from 'node:fs';
import { failAndExit } from '../shared/cli/fail.js';
import { isutlArguments, isutlProgram } from './tool/isutl-program.js';
import type { LocalFiles } from './tool/local-files.js';
import { Tool } from './tool/tool.js';

/** Storage is loaded when the first file is opened: `--help` answers without it. */
async function openLocalFiles(): Promise<LocalFiles> {
  const [{ LocalFiles }, { createLmdbEngine }, { createLockManager }, { createLmdbLockStores }] =
    await Promise.all([
      import('./tool/local-files.js'),
      import('./storage/lmdb/engine.js'),
      import('./lock/create-lock-manager.js'),
      import('./lock/lmdb-lock-store.js'),
    ]);
  return new LocalFiles({
    engine: createLmdbEngine(),
    locks: createLockManager(createLmdbLockStores()),
    user: process.env.USER ?? process.env.USERNAME ?? 'isutl',
  });
}

function ownVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function ignoreClosedPipe(error: Error): void {
  if (!('code' in error && error.code === 'EPIPE')) process.exit(1);
}

async function main(args: readonly string[]): Promise<void> {
  const { stdout, stderr, env } = process;
  // `| head` has seen enough; the exit status still tells how the work went.
  for (const stream of [stdout, stderr]) stream.on('error', ignoreClosedPipe);
  const tool = new Tool({ stdout, stderr, env, openFiles: openLocalFiles });
  const program = isutlProgram(tool, ownVersion());
  try {
    await program.parseAsync(isutlArguments(program, args), { from: 'user' });
  } finally {
    await tool.close();
  }
  process.exitCode = tool.status;
}

const args = process.argv.slice(2);
await main(args).catch((error) =>
  failAndExit(
    error,
    args.some((each) => /^--?json$/.test(each)),
  ),
);
