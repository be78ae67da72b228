// `npm start`: the main job for real, in under a minute. Makes a certificate, starts the daemon with
// -encrypt -scl=3, loads a real data set into a file that insists on encryption, lets a client in
// another process read it, and leaves the server running until Ctrl-C.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect } from '../client/index.js';
import { issueDevelopmentCertificate } from '../server/certificate/issue-self-signed.js';
import { unicodeFile, unicodeRecords } from './unicode.js';

const directory = 'rsynd-data';
const ca = join(directory, 'demo-ca.pem');
const bundle = join(directory, 'rsynd.pem');
const program = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A local authority and a server certificate, made once per checkout; the authority's key is not kept. */
async function makeCertificate(): Promise<void> {
  if (existsSync(bundle) && existsSync(ca)) return;
  const issued = await issueDevelopmentCertificate({ hosts: ['localhost', '127.0.0.1'] });
  writeFileSync(ca, issued.caPem);
  writeFileSync(bundle, issued.serverPem, { mode: 0o600 });
  console.log(`certificate made: ${bundle}, to be trusted by ${ca}`);
}

/** Starts the daemon and waits for its ready line. Ends with us, and we with it. */
async function startDaemon(): Promise<string> {
  const options = ['-encrypt', '-scl=3', `-cert=${bundle}`, '-n', '-u', 'demo', '-d', directory];
  const args = [...options, '--log-file', join(directory, 'rsynd.log'), ...process.argv.slice(2)];
  console.log(`rsynd ${args.join(' ')}`);
  const daemon = spawn(process.execPath, [program('../server/main.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  daemon.once('exit', (code) => process.exit(code ?? 1));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => daemon.kill('SIGTERM'));
  }
  process.once('exit', () => daemon.kill('SIGTERM'));
  const [line] = (await once(createInterface(daemon.stdout), 'line')) as [string];
  console.log(line);
  const port = /port=(\d+)/.exec(line)?.[1];
  if (port === undefined) throw new Error('the daemon did not say its port');
  return `localhost:${port}`;
}

async function load(server: string): Promise<void> {
  const started = Date.now();
  await using connection = await connect(`rsynds://${server}`, { tls: { ca } });
  await using file = await connection.open('unicode', { mode: 'output', definition: unicodeFile });
  const { stored } = await file.storeMany(unicodeRecords());
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`loaded    ${stored.toLocaleString('en')} records into unicode.ism in ${seconds} s`);
  console.log('          flagged network_encrypt, keys codePoint, category, script, counterpart');
}

async function read(server: string): Promise<void> {
  console.log('a client in another process reads it:');
  const reader = spawn(process.execPath, [program('./reader.js'), server, ca], {
    stdio: 'inherit',
  });
  const [code] = (await once(reader, 'exit')) as [number | null];
  if (code !== 0) throw new Error('the client could not read the file');
}

mkdirSync(directory, { recursive: true });
await makeCertificate();
const server = await startDaemon();
await load(server);
await read(server);
console.log(`\nserver left running on ${server}; try, in another terminal:`);
console.log(`  node dist/client/cli/getfa.js unicode@${server} --ca ${ca}`);
console.log('Ctrl-C stops it.');
