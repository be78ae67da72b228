// The one access check. Every route asks it before a file is used: network sessions, local openers,
// tools, later REST and replication. Roles and users join it here, so that no route can differ.

import { RsyndError } from '../../shared/base/error.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import { type FileSystemFacts, isOnNetworkFileSystem, systemFacts } from './network-file-system.js';

/** How a caller reaches us. */
export type Route =
  | { readonly kind: 'local' }
  | { readonly kind: 'remote'; readonly encrypted: boolean; readonly peer: string };

export interface Caller {
  /** The user the session acts as, for good. */
  readonly user: string;
  readonly route: Route;
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
  /** Returns when the caller may use the file, else throws: ERR_NETCRYPT. */
  admit(caller: Caller, file: FileInQuestion): void;
}

export const createGate = (facts: FileSystemFacts = systemFacts): Gate => ({
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

const netcrypt = (file: FileInQuestion, why: string): RsyndError =>
  new RsyndError('ERR_NETCRYPT', `${file.name} is flagged network_encrypt and ${why}`, {
    file: file.name,
  });
