// The local authority as it lies on disk: its certificate and its sealed key. Loads nothing that makes
// certificates, so that the store and the daemon can ask for it.

import { X509Certificate } from 'node:crypto';
import { isObject } from '../../../shared/base/is-object.js';
import type { StateDirectory } from '../../state/state-directory.js';
import { AUTHORITY_FILE, type UsersOfEntry } from '../store/certificate-store.js';
import { textOf } from '../store/json.js';
import { decodeSealed, type Sealed } from '../store/seal.js';

/** On disk as JSON: never change the meaning of a field. */
export interface AuthorityFile {
  readonly format: 1;
  /** PEM */
  readonly certificate: string;
  readonly sealedKey: Sealed;
}

/** Undefined when there is none. ERR_CONFIG when the file is damaged. */
export const readAuthorityFile = (state: StateDirectory): AuthorityFile | undefined =>
  state.readJson(AUTHORITY_FILE, decode);

function decode(value: unknown): AuthorityFile {
  if (!isObject(value) || value.format !== 1) throw new Error('it is no authority of this release');
  const certificate = textOf(value, 'certificate');
  new X509Certificate(certificate); // throws when it is damaged
  return { format: 1, certificate, sealedKey: decodeSealed(value.sealedKey) };
}

/** For the store: the entry of the local authority cannot be removed, only switched off. */
export const localAuthorityAsUser =
  (state: StateDirectory): UsersOfEntry =>
  ({ kind, current }) => {
    const authority = kind === 'authority' ? readAuthorityFile(state) : undefined;
    return authority !== undefined && authority.certificate === current?.chain
      ? ['the local authority (rsynctl ca)']
      : [];
  };
