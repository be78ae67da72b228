// Starts limit-server.ts in a process of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { CertificateFiles } from '../../fixture/certificate.js';
import { cleanEnvironment, type Teardown } from '../../fixture/daemon.js';

export async function startLimit(
  t: Teardown,
  directory: string,
  { bundle }: CertificateFiles,
): Promise<{ readonly pid: number; readonly port: number }> {
  const program = 'dist/test/bench/servers/limit-server.js';
  const server = spawn(process.execPath, [program, bundle, join(directory, 'log')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: cleanEnvironment(),
  });
  t.teardown(() => server.kill());
  const [line] = await once(createInterface(server.stdout), 'line');
  return { pid: server.pid ?? 0, port: Number(String(line).split('=')[1]) };
}
