// The one access check. Every route asks it before a file is used: network sessions, local openers, tools, later
// REST and replication. `permit` is asked before anything is looked at, so that what a user may not use he cannot
// find out about; `admit` when the file's own header is known.

import { relative, sep } from 'node:path';
import { RsyndError } from '../../shared/base/error.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import { type FileSystemFacts, isOnNetworkFileSystem, systemFacts } from './network-file-system.js';
import { withExtension } from './paths.js';
import { type Action, shortName } from './rights.js';

/** How a caller reaches us. */
export type Route =
  | { readonly kind: 'local' }
  | { readonly kind: 'remote'; readonly encrypted: boolean; readonly peer: string };

export interface Caller {
  /** The user the session acts as, for good. */
  readonly user: string;
  readonly route: Route;
}

/** The place somebody wants to use, whether or not anything is there. */
export interface PlaceInQuestion {
  /** As the caller wrote it. */
  readonly name: string;
  /** Real and absolute; absent when the name leads nowhere: then the name itself is judged. */
  readonly path?: string;
}

/** The file somebody wants to use. */
export interface FileInQuestion {
  /** As the caller wrote it. */
  readonly name: string;
  /** Real and absolute. */
  readonly path: string;
  readonly spec: FileSpec;
}

export interface Gate {
  /** Returns when the user has the right, whether or not the file is there. ERR_PROTEC. */
  permit(caller: Caller, place: PlaceInQuestion, action: Action): void;
  /** Returns when the caller may use the file, else throws: ERR_NETCRYPT. */
  admit(caller: Caller, file: FileInQuestion): void;
}

/** Whose rights a gate judges; remote callers only, the operating system judges local ones. */
export interface Rights {
  /** Real path of the data root. */
  readonly root: string;
  /** `file` is a name below the root with its extension. */
  allows(user: string, action: Action, file: string): boolean;
}

/** Without `rights` everybody may do everything. */
export const createGate = (facts: FileSystemFacts = systemFacts, rights?: Rights): Gate => ({
  permit({ user, route }, { name, path }, action) {
    if (rights === undefined || route.kind === 'local') return;
    const written = withExtension(name);
    const real = path === undefined ? written : relative(rights.root, path).split(sep).join('/');
    if (rights.allows(user, action, real)) return;
    // Who may use the name as written may know that it leads elsewhere; nobody else learns that it does.
    const isLink = written !== real && rights.allows(user, action, written);
    throw protec(user, name, action, isLink);
  },

  admit(caller, file) {
    if (!file.spec.networkEncrypt) return;
    if (caller.route.kind === 'remote' && !caller.route.encrypted) {
      throw netcrypt(
        file,
        'this connection is plain; start the server with -encrypt and connect with /encrypt or rsynds://',
      );
    }
    if (isOnNetworkFileSystem(file.path, facts)) {
      throw netcrypt(
        file,
        'its path is on a network file system, which does not encrypt; ' +
          'keep it on a local disk and open it through rsynd -encrypt',
      );
    }
  },
});

function protec(user: string, name: string, action: Action, isLink: boolean): RsyndError {
  const grant = `rsynctl user grant ${user} ${action}`;
  const ask = isLink
    ? `the name is a link; ask the administrator for ${grant} on the file it leads to`
    : `ask the administrator for ${grant} ${shellWord(shortName(name))}`;
  const why = `user ${user} has not the right ${action} on ${name}; ${ask}`;
  return new RsyndError('ERR_PROTEC', why, { file: name });
}

/** As a shell takes it for one word, whatever is in it: an administrator may paste it. */
const shellWord = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const netcrypt = (file: FileInQuestion, why: string): RsyndError =>
  new RsyndError('ERR_NETCRYPT', `${file.name} is flagged network_encrypt and ${why}`, {
    file: file.name,
  });
