// The directory `.rsynd` below the data root: users, certificates, what was refused lately. No remote name
// leads into it (parts that begin with a dot are no names). The daemon reads it and looks for changes;
// rsynctl changes it, also while the daemon runs. Small files, written whole and put in place by a
// rename, so that a reader sees the old or the new one; changes of two processes take turns.
//
//   .rsynd/            0700
//     <name>           0600   JSON or PEM
//     .lock            0600   there while somebody changes something; holds `PID HOST`

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { RsyndError } from '../../shared/base/error.js';
import {
  stateFileBytesMax,
  stateLockAbandonedMs,
  stateLockPollMs,
  stateLockWaitMs,
  stateWatchMs,
} from '../../shared/base/limits.js';
import { NoPlainFile, readPlainFile } from './plain-file.js';

/** Name of the directory below the data root. */
export const STATE_DIRECTORY = '.rsynd';

const LOCK = '.lock';

export class StateDirectory {
  readonly path: string;

  /** `dataRoot` must be there; the directory itself is made by the first write. */
  constructor(dataRoot: string) {
    this.path = join(dataRoot, STATE_DIRECTORY);
  }

  /** The file `name` (`users.json`, `certificates/ab12.json`), undefined when there is none. ERR_CONFIG. */
  read(name: string): Buffer | undefined {
    const path = join(this.path, name);
    try {
      return readPlainFile(path, stateFileBytesMax);
    } catch (cause) {
      if (isMissing(cause)) return undefined;
      if (cause instanceof NoPlainFile) throw this.#unusable(name, cause.message);
      throw this.#unusable(name, 'cannot be read', cause);
    }
  }

  /** The file as JSON; `decode` judges what is in it and throws what is wrong. ERR_CONFIG. */
  readJson<T>(name: string, decode: (value: unknown) => T): T | undefined {
    const bytes = this.read(name);
    if (bytes === undefined) return undefined;
    try {
      return decode(JSON.parse(bytes.toString('utf8')));
    } catch (cause) {
      throw this.#unusable(name, `is not what rsynctl writes (${reasonOf(cause)})`);
    }
  }

  /** Names of the files in a folder of it, '' for itself; none when it is not there. */
  list(folder = ''): string[] {
    try {
      const entries = readdirSync(join(this.path, folder), { withFileTypes: true });
      return entries
        .filter((each) => each.isFile() && !each.name.startsWith('.'))
        .map(({ name }) => name);
    } catch (cause) {
      if (isMissing(cause)) return [];
      throw this.#unusable(folder, 'cannot be listed', cause);
    }
  }

  /** Puts the file in place, durably, readable by its owner only. ERR_CONFIG. */
  write(name: string, content: string | Uint8Array): void {
    const path = join(this.path, name);
    const draft = `${path}.${randomBytes(6).toString('hex')}.new`;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      chmodSync(this.path, 0o700);
      writeFileSync(draft, content, { mode: 0o600, flag: 'wx', flush: true });
      renameSync(draft, path);
      syncDirectory(dirname(path));
    } catch (cause) {
      removeDraft(draft);
      throw this.#unusable(name, 'cannot be written', cause);
    }
  }

  writeJson(name: string, value: unknown): void {
    this.write(name, `${JSON.stringify(value, undefined, 1)}\n`);
  }

  /** Durably; fine when there is none. ERR_CONFIG. */
  remove(name: string): void {
    const path = join(this.path, name);
    try {
      rmSync(path);
      syncDirectory(dirname(path));
    } catch (cause) {
      if (!isMissing(cause)) throw this.#unusable(name, 'cannot be removed', cause);
    }
  }

  /**
   * Reads, decides and writes without another process in between. ERR_FINUSE when that one does not
   * finish in time; a process that died in the middle does not count.
   */
  async change<T>(make: () => T | Promise<T>): Promise<T> {
    const unlock = await this.#lock();
    try {
      return await make();
    } finally {
      unlock();
    }
  }

  /**
   * Calls `onChange` some time after any file of it changed, whoever did it; until stopped. It compares
   * names, sizes and times, which works on every file system and costs next to nothing.
   */
  watch(onChange: () => void): { stop(): void } {
    let seen = this.#fingerprint();
    const timer = setInterval(() => {
      const now = this.#fingerprint();
      if (now === seen) return;
      seen = now;
      onChange();
    }, stateWatchMs);
    timer.unref();
    return { stop: () => clearInterval(timer) };
  }

  #fingerprint(): string {
    const marks: string[] = [];
    const visit = (folder: string): void => {
      let entries: import('node:fs').Dirent[];
      try {
        entries = readdirSync(folder, { withFileTypes: true });
      } catch {
        return; // not there (any more): that is what its fingerprint says
      }
      for (const entry of entries) {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) visit(path);
        else if (!entry.name.startsWith('.') && !entry.name.endsWith('.new'))
          marks.push(markOf(path));
      }
    };
    visit(this.path);
    return marks.join('\n');
  }

  async #lock(): Promise<() => void> {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    const path = join(this.path, LOCK);
    const deadline = Date.now() + stateLockWaitMs;
    for (;;) {
      try {
        writeFileSync(path, `${process.pid} ${hostname()}`, { mode: 0o600, flag: 'wx' });
        return () => rmSync(path, { force: true });
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
          throw this.#unusable(LOCK, 'cannot be made', cause);
      }
      if (isAbandoned(path) && this.#breakLock(path)) continue;
      if (Date.now() > deadline) throw this.#busy();
      else await new Promise((resolve) => setTimeout(resolve, stateLockPollMs));
    }
  }

  /**
   * Removes the lock of a process that died. Two that find it dead at once must not both remove: the later would
   * remove the new lock of the earlier. So breaking has a lock of its own and looks again under it.
   */
  #breakLock(path: string): boolean {
    const breaking = `${path}.break`;
    try {
      if (ageMs(breaking) > stateLockWaitMs) rmSync(breaking, { force: true });
      writeFileSync(breaking, '', { mode: 0o600, flag: 'wx' });
    } catch {
      return false; // somebody else is at it
    }
    try {
      if (isAbandoned(path)) rmSync(path, { force: true });
      return true;
    } finally {
      rmSync(breaking, { force: true });
    }
  }

  #busy(): RsyndError {
    const lock = join(this.path, LOCK);
    const why = `another process changes ${this.path}; try again, or remove ${lock} when there is none`;
    return new RsyndError('ERR_FINUSE', why, { file: this.path });
  }

  #unusable(name: string, why: string, cause?: unknown): RsyndError {
    const path = join(this.path, name);
    const detail = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
    return new RsyndError('ERR_CONFIG', `${path} ${why}${detail}`, { file: path, cause });
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

function markOf(path: string): string {
  try {
    const { size, mtimeMs, ino } = statSync(path);
    return `${path} ${size} ${mtimeMs} ${ino}`;
  } catch {
    return path; // removed meanwhile
  }
}

/**
 * A lock whose process is gone, or that is far older than any change takes: its holder may have died before it
 * wrote its number, or have lived in another container, or its number may be another's by now.
 */
function isAbandoned(path: string): boolean {
  if (ageMs(path) > stateLockAbandonedMs) return true;
  try {
    const [pid = '', host = ''] = readFileSync(path, 'utf8').split(' ');
    if (!(Number(pid) > 0) || host !== hostname()) return false;
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** 0 for a file that is not there, or is of the future. */
function ageMs(path: string): number {
  const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return made === undefined ? 0 : Math.max(0, Date.now() - made);
}

/** What a JSON parser says quotes the text, which may hold secrets. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof SyntaxError))
    return cause instanceof Error ? cause.message : String(cause);
  const at = /at position \d+/.exec(cause.message)?.[0];
  return at === undefined ? 'no JSON' : `no JSON ${at}`;
}

function removeDraft(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Where it could not be made it cannot be removed; why is being told already.
  }
}

function syncDirectory(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
