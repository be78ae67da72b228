// The program of a worker: started by the supervisor, does what it is told through the pipe between them, and ends
// when that breaks. Nobody else starts it.

import { url as debuggerAddress } from 'node:inspector';
import type { Socket } from 'node:net';
import { Daemon } from '../daemon.js';
import { createLockManager } from '../lock/create-lock-manager.js';
import { createLmdbLockStores } from '../lock/lmdb-lock-store.js';
import { createLog, describeError, type Log } from '../observe/log.js';
import { ScanHelper } from '../scan-helper/scan-helper.js';
import { createLmdbEngine } from '../storage/lmdb/engine.js';
import { errorOf, failureOf } from './failure.js';
import { type FromWorker, messageFrom, type ToWorker, type WorkerStart } from './message.js';
import { WorkerTeam } from './worker-team.js';

/** A worker from its start on. */
interface Worker {
  readonly log: Log;
  readonly team: WorkerTeam;
  readonly daemon: Daemon;
}

const send = (message: FromWorker, sent?: () => void): void => {
  if (!process.connected) return sent?.();
  process.send?.(message, undefined, {}, () => sent?.()); // a broken pipe is heard of as 'disconnect'
};

async function start(given: WorkerStart): Promise<Worker> {
  const { options, software, number, passphrase } = given;
  const { logLevel: level, logFile: file } = options;
  const log = createLog({ level, worker: number, ...(file !== undefined && { file }) });
  // A broken invariant ends the process: what is acknowledged is on disk, and going on might spoil it.
  process.on('uncaughtException', (error) => {
    log.fatal(describeError(error), 'unexpected error, ending');
    process.exit(1);
  });
  const team = new WorkerTeam(given, send);
  const daemon = await Daemon.start(options, {
    engine: createLmdbEngine(),
    locks: createLockManager(createLmdbLockStores()),
    helper: ScanHelper.forThisMachine((why) => log.warn({ why }, 'the scan helper is lost')),
    log,
    software,
    typed: passphrase === undefined ? {} : { value: passphrase },
    team,
  });
  log.debug('ready');
  send({ kind: 'ready' });
  return { log, team, daemon };
}

function obey({ log, team, daemon }: Worker, message: ToWorker, socket: Socket | undefined): void {
  switch (message.kind) {
    case 'start':
      return;
    case 'connection':
      return team.hand(socket);
    case 'handed':
      if (team.handed(message.count)) log.warn('a connection did not arrive: too many open files');
      return;
    case 'tickets':
      team.useTickets(message.ticketSecret);
      return daemon.useNewTickets();
    case 'reload':
      return void daemon.reload(message.options);
    case 'turn':
      return team.turns.granted(message.id);
    case 'no turn':
      return team.turns.refused(message.id, errorOf(message.failure));
    case 'ask':
      return send({ kind: 'here', isDebugged: debuggerAddress() !== undefined });
    case 'stop':
      return void daemon.stop().then(() => process.exit(0));
  }
}

let worker: Promise<Worker> | undefined;

process.on('message', (value, socket) => {
  const message = messageFrom<ToWorker>(value);
  if (message === undefined) return;
  if (message.kind === 'start') {
    worker = start(message);
    worker.catch((error) => {
      send({ kind: 'failed', failure: failureOf(error) }, () => process.exit(1));
    });
    return;
  }
  // What comes while it starts waits for that to be over; what comes to one that could not start is lost with it.
  void worker?.then(
    (started) => obey(started, message, socket as Socket | undefined),
    () => undefined,
  );
});

// The supervisor is gone, and nobody gives us connections any more.
process.on('disconnect', () => {
  const ended = worker?.then(({ log, daemon }) => {
    log.error('the supervisor is gone, ending');
    return daemon.stop();
  });
  Promise.resolve(ended).finally(() => process.exit(1));
});

// A terminal tells all processes of a group at once; the supervisor then says what is to be done.
process.on('SIGINT', () => undefined);
process.on('SIGHUP', () => undefined);
// Told to end by somebody else: without a new connection going astray, and the supervisor replaces us.
process.on('SIGTERM', () => send({ kind: 'leaving' }));
