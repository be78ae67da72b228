// Sees to it that one process at a time recovers a file: `<name>-recovery` names the one that does. It is
// made with its content in one step, and taken over when that process is gone.

import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { RsyndError } from '../../../../shared/base/error.js';
import { recoveryPollMs, recoveryWaitMs } from '../../../../shared/base/limits.js';
import { readBootId } from '../../../lock/lock-file.js';
import { identifyProcess } from '../../../lock/process-identity.js';
import { readError } from '../lmdb-error.js';
import { recoveryPath } from '../paths.js';

const identity = identifyProcess();

export class RecoveryClaim {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Waits, the whole process with it, while another one has it; ERR_FINUSE when that takes too long. */
  static take(path: string, name: string, waitMs = recoveryWaitMs): RecoveryClaim {
    const claim = recoveryPath(path);
    const deadline = performance.now() + waitMs;
    for (;;) {
      if (isMadeOrFails(claim, name)) return new RecoveryClaim(claim);
      if (!isHeld(claim)) discard(claim);
      else if (performance.now() >= deadline) throw isRecovering(name);
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, recoveryPollMs);
    }
  }

  release(): void {
    rmSync(this.#path, { force: true });
  }
}

function isMadeOrFails(claim: string, name: string): boolean {
  try {
    return isMade(claim);
  } catch (error) {
    throw readError({ name }, error);
  }
}

function isMade(claim: string): boolean {
  const making = `${claim}.${process.pid}`;
  rmSync(making, { force: true });
  writeFileSync(making, `${readBootId()} ${identity.self}`, { mode: 0o644, flag: 'wx' });
  try {
    linkSync(making, claim);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(making, { force: true });
  }
}

function isHeld(claim: string): boolean {
  try {
    const [bootId, holder = ''] = readFileSync(claim, 'latin1').split(' ');
    const seenMs = identity.sharedClockMs() - (Date.now() - statSync(claim).mtimeMs);
    return bootId === readBootId() && identity.isAlive(holder, seenMs);
  } catch {
    return false; // Released meanwhile.
  }
}

/** A rename has one winner, who may find that it took a newer claim: then its holder's is put back. */
function discard(claim: string): void {
  const taken = `${claim}.${process.pid}`;
  try {
    renameSync(claim, taken);
    if (isHeld(taken)) linkSync(taken, claim);
    rmSync(taken, { force: true });
  } catch {
    // Another process was faster; the next look shows what it left.
  }
}

function isRecovering(name: string): RsyndError {
  const why = `${name} is being recovered by another process; try again`;
  return new RsyndError('ERR_FINUSE', why, { file: name });
}
