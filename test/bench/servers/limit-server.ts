// The limit to compare with: a TLS server that does nothing. It echoes 200-byte messages, streams zeros
// when asked to, or appends each message to a file and syncs it before it answers.
// Started by limit.ts: node dist/test/bench/servers/limit-server.js CERTIFICATE FILE

import { fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { policyFor } from '../../../shared/tls/policy.js';

const MESSAGE_BYTES = 200;
const CHUNK = Buffer.alloc(64 * 1024);
const [certificate = '', file = ''] = process.argv.slice(2);
const pem = readFileSync(certificate, 'utf8');
const log = openSync(file, 'a');

/** Zeros, as fast as the client takes them, until so many are sent. */
function stream(socket: TLSSocket, bytes: number): void {
  let left = bytes;
  const pump = (): void => {
    while (left > 0) {
      left -= CHUNK.length;
      if (!socket.write(CHUNK)) {
        socket.once('drain', pump);
        return;
      }
    }
  };
  pump();
}

const server = createServer({ ...policyFor(3), key: pem, cert: pem, noDelay: true }, (socket) => {
  let mode = '';
  let received = 0;
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    if (mode === '') {
      const [word = '', bytes = '0'] = chunk.toString().split(' ');
      mode = word;
      if (mode === 'stream') stream(socket, Number(bytes));
      else socket.write('.');
      return;
    }
    received += chunk.length;
    const whole = Math.floor(received / MESSAGE_BYTES) * MESSAGE_BYTES;
    received -= whole;
    if (whole === 0) return;
    if (mode === 'sync') {
      writeSync(log, chunk);
      fdatasyncSync(log);
    }
    socket.write(Buffer.alloc(whole));
  });
});
server.listen(0, '127.0.0.1', () => console.log(`port=${(server.address() as AddressInfo).port}`));
