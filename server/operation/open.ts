// OPEN, CREATE and CLOSE: from a name to a channel and back. The order matters: the name is resolved
// inside its root, the gate says whether this user may, and only then the place is looked at; the file's own
// header is asked what it insists on, the gate decides, the claim is taken; only then anything may be
// replaced or read.

import { RsyndError } from '../../shared/base/error.js';
import { replacedOpensMax } from '../../shared/base/limits.js';
import type { CreateRequest, OpenRequest } from '../../shared/protocol/message.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { Caller, Gate } from '../access/gate.js';
import { isPlainName, type PathResolver } from '../access/paths.js';
import { type Action, actionOfMode } from '../access/rights.js';
import type { UniqueClock } from '../isam/autokey.js';
import { IsamFile } from '../isam/isam-file.js';
import type { FileClaim, FileHold, LockManager, LockOwner } from '../lock/lock-manager.js';
import type { ScanHelper } from '../scan-helper/scan-helper.js';
import type { StorageEngine, StoredFile } from '../storage/engine.js';
import type { OpenChannel } from './open-channel.js';

/** What the operations of all sessions share. */
export interface Services {
  readonly engine: StorageEngine;
  readonly locks: LockManager;
  readonly gate: Gate;
  readonly clock: UniqueClock;
  /** Looks through long files ahead of selects. @default nobody does */
  readonly helper?: Pick<ScanHelper, 'isFree' | 'begin' | 'end' | 'requests'> | undefined;
}

/** Who asks, and how names are meant. */
export interface Asker {
  readonly caller: Caller;
  readonly owner: LockOwner;
  readonly paths: PathResolver;
}

export async function open(
  services: Services,
  asker: Asker,
  request: OpenRequest,
): Promise<OpenChannel> {
  const path = permittedPath(services, asker, request.name, actionOfMode(request.mode));
  const claim = claimOf(request);
  const opened =
    request.mode === 'output'
      ? await openOutput(services, asker, request, path, claim)
      : await openExisting(services, asker, request.name, path, claim);
  const channel: OpenChannel = {
    name: request.name,
    path,
    mode: request.mode,
    lock: request.mode === 'update' ? request.lock : 'none',
    file: new IsamFile(opened.stored, request.name, services.clock),
    hold: opened.hold,
    helper: services.helper,
    position: { kind: 'start', key: 0 },
    current: undefined,
    autoLocked: undefined,
    manualLocked: new Set(),
    isAbandoned: false,
  };
  return stillPermitted(services, asker, channel);
}

/** Makes an empty file. It takes the exclusive claim, so that nobody has the name in use meanwhile. */
export async function create(
  services: Services,
  asker: Asker,
  request: CreateRequest,
): Promise<void> {
  const path = permittedPath(services, asker, request.name, 'create');
  const hold = await services.locks.claim(path, asker.owner, EXCLUSIVE);
  try {
    await services.engine.create(path, request.spec);
  } finally {
    await hold.release();
  }
}

/** The path of a name that this user may use so. Where it leads nowhere, that is told to those who may alone. */
function permittedPath(services: Services, asker: Asker, name: string, action: Action): string {
  let path: string;
  try {
    path = asker.paths(name);
  } catch (error) {
    if (isPlainName(name)) services.gate.permit(asker.caller, { name }, action);
    throw error;
  }
  services.gate.permit(asker.caller, { name, path }, action);
  return path;
}

/** Opening takes its time, and the right may have been taken away meanwhile. */
async function stillPermitted(
  { gate }: Services,
  { caller }: Asker,
  channel: OpenChannel,
): Promise<OpenChannel> {
  try {
    gate.permit(caller, channel, actionOfMode(channel.mode));
    return channel;
  } catch (error) {
    await close(channel);
    throw error;
  }
}

/** Frees all locks and the claim, then the file. Idempotent by its parts. */
export async function close(channel: OpenChannel): Promise<void> {
  try {
    await channel.hold.release();
  } finally {
    await channel.file.close();
  }
}

const EXCLUSIVE: FileClaim = { mode: 'output', share: 'exclusive' };

/** Output and append are alone with their file, whatever was asked for (SHARE is ignored there). */
const claimOf = (request: OpenRequest): FileClaim =>
  request.mode === 'output' || request.mode === 'append'
    ? { mode: request.mode, share: 'exclusive' }
    : { mode: request.mode, share: request.share };

interface Opened {
  readonly stored: StoredFile;
  readonly hold: FileHold;
}

async function openExisting(
  services: Services,
  asker: Asker,
  name: string,
  path: string,
  claim: FileClaim,
): Promise<Opened> {
  for (let left = replacedOpensMax; left > 0; left--) {
    const stored = await services.engine.open(path);
    let hold: FileHold | undefined;
    try {
      services.gate.admit(asker.caller, { name, path, spec: stored.spec });
      hold = await services.locks.claim(path, asker.owner, claim);
      // Nobody can replace it from now on; but another process may have before the claim was ours.
      if (await stored.isInPlace()) return { stored, hold };
      await hold.release();
    } catch (error) {
      await hold?.release();
      await stored.close();
      throw error;
    }
    await stored.close();
  }
  const why = `${name} is being replaced again and again; open it in a moment`;
  throw new RsyndError('ERR_FINUSE', why, { file: name });
}

/** Replaces what is there: by the definition given, else emptied with its own. */
async function openOutput(
  services: Services,
  asker: Asker,
  request: OpenRequest,
  path: string,
  claim: FileClaim,
): Promise<Opened> {
  const { name, spec } = request;
  if (spec !== undefined) services.gate.admit(asker.caller, { name, path, spec });
  if (!(await services.engine.exists(path))) {
    const definition = requireSpec(name, spec);
    const hold = await services.locks.claim(path, asker.owner, claim);
    return releasingOnError(hold, () => createAndOpen(services, path, definition));
  }
  const { stored, hold } = await openExisting(services, asker, name, path, claim);
  return releasingOnError(hold, async () => {
    if (spec === undefined) return emptied(stored);
    await stored.close();
    await services.engine.replace(path, spec);
    return services.engine.open(path);
  });
}

async function emptied(stored: StoredFile): Promise<StoredFile> {
  try {
    await stored.clear();
    return stored;
  } catch (error) {
    await stored.close();
    throw error;
  }
}

async function createAndOpen(
  { engine }: Services,
  path: string,
  spec: FileSpec,
): Promise<StoredFile> {
  await engine.create(path, spec);
  return engine.open(path);
}

async function releasingOnError(hold: FileHold, make: () => Promise<StoredFile>): Promise<Opened> {
  try {
    return { stored: await make(), hold };
  } catch (error) {
    await hold.release();
    throw error;
  }
}

function requireSpec(name: string, spec: FileSpec | undefined): FileSpec {
  if (spec !== undefined) return spec;
  throw new RsyndError(
    'ERR_FNF',
    `${name} is not there yet; output mode needs a definition to make it, or create it with isamc or isutl create`,
    { file: name },
  );
}
