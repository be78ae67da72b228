// All that decides about handshakes of the data port, kept current while the server runs: its certificate, whom
// it trusts, the level. The daemon makes one, asks it for the options of new handshakes, and tells it when
// something may have changed. What cannot be used changes nothing. It knows no connections.

import type { SecureContextOptions } from 'node:tls';
import { minProtocolOf, resolveLevel, type SecurityLevel } from '../../shared/tls/policy.js';
import type { DaemonOptions } from '../config/daemon-options.js';
import { describeError, type Saying } from '../observe/log.js';
import type { StateDirectory } from '../state/state-directory.js';
import { CertificateHolder } from './certificate-holder.js';
import {
  type CertificateChoice,
  certificateFiles,
  chooseCertificate,
} from './choose-certificate.js';
import { ExpiryWatch } from './expiry-watch.js';
import type { ServerCertificate } from './load-server-certificate.js';
import { noteDefaultLevel } from './note-default-level.js';
import { passphraseSource, type TypedPassphrase } from './passphrase.js';
import { TrustKeeper, type TrustKeeperOptions } from './trust/trust-keeper.js';
import { trustSettingsOf } from './trust/trust-settings.js';

export interface TlsKeeperParts {
  readonly state: StateDirectory;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Saying;
  /** Told of clients whose revocation could not be asked for, where that is let pass. */
  readonly onUnchecked: NonNullable<TrustKeeperOptions['onUnchecked']>;
  /** A passphrase typed once serves every reload. @default not typed yet */
  readonly typed?: TypedPassphrase | undefined;
}

export class TlsKeeper {
  readonly trust: TrustKeeper;
  readonly #parts: TlsKeeperParts;
  readonly #holder: CertificateHolder;
  readonly #expiry = new ExpiryWatch();
  #options: DaemonOptions;
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(options: DaemonOptions, parts: TlsKeeperParts, holder: CertificateHolder) {
    this.#options = options;
    this.#parts = parts;
    this.#holder = holder;
    const { state, env, onUnchecked } = parts;
    this.trust = new TrustKeeper({
      settings: trustSettingsOf(options),
      state,
      env,
      onUnchecked,
      onUnexpected: (error) => parts.log.error(describeError(error), 'cannot judge a client'),
    });
  }

  /** Loads and proves all of it. ERR_TLSCONF, ERR_CONFIG. */
  static async open(options: DaemonOptions, given: TlsKeeperParts): Promise<TlsKeeper> {
    const parts = { ...given, typed: given.typed ?? {} };
    const load = loaderOf(options, parts);
    const holder = await CertificateHolder.open({ load, level: options.scl });
    const keeper = new TlsKeeper(options, parts, holder);
    keeper.#warn([...holder.certificate.warnings, ...levelWarnings(options.scl)]);
    keeper.#warnOfEnds();
    return keeper;
  }

  /** The level in use, as asked for. */
  get level(): SecurityLevel {
    return this.#options.scl;
  }

  /** All options of the context of a new handshake. Holds a secret: never log them. */
  get contextOptions(): SecureContextOptions {
    return this.trust.contextOptions(this.#holder.contextOptions);
  }

  /** Files that count; the state directory has a watch of its own. */
  get files(): readonly string[] {
    const { cert } = this.#options;
    return [...this.trust.files, ...certificateFiles({ cert, env: this.#parts.env })];
  }

  /** Writes down what level 0 means, and says when that is new. Once, by a server that really starts. */
  noteDefaultLevel(): void {
    const warning = noteDefaultLevel(this.#parts.state);
    if (warning !== undefined) this.#parts.log.warn({ event: 'SCL_DEFAULT_CHANGED' }, warning);
  }

  /** Takes new options into use, and all that they name. Never rejects: the log says what came of it. */
  reload(options: DaemonOptions): Promise<void> {
    return this.#inTurn(async () => {
      this.#reloadTrust(options);
      await this.#reloadCertificate(options);
      this.trust.forgetAnswers();
    });
  }

  /** Looks whether a file or the store has changed. True when new handshakes go by something else now. */
  refresh(): Promise<boolean> {
    return this.#inTurn(async () => {
      const isTrustNew = this.#reloadTrust();
      const before = this.#holder.certificate.leaf.fingerprint256;
      await this.#reloadCertificate(this.#options, before);
      return isTrustNew || before !== this.#holder.certificate.leaf.fingerprint256;
    });
  }

  /** One after the other, so that a look at the files never undoes newer options. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#lastChange.then(change);
    this.#lastChange = changed.catch(() => undefined); // the caller hears of it
    return changed;
  }

  /** Says what comes near its end, each thing once a stage. */
  warnOfEnds(): void {
    this.#warnOfEnds();
  }

  #warnOfEnds(): void {
    const { path, leaf } = this.#holder.certificate;
    const due = this.#expiry.due(path, leaf);
    this.#warn([...(due === undefined ? [] : [due]), ...this.trust.newWarnings()]);
  }

  #reloadTrust(options?: DaemonOptions): boolean {
    const { log } = this.#parts;
    try {
      const isNew = this.trust.reload(options === undefined ? undefined : trustSettingsOf(options));
      if (isNew) log.info({ clientAuth: this.trust.settings.clientAuth }, 'trust reloaded');
      this.#warn(this.trust.newWarnings());
      return isNew;
    } catch (error) {
      log.error(describeError(error), 'trust not reloaded, what was trusted stays');
      return false;
    }
  }

  /** `quietFor`: the fingerprint that is no news. */
  async #reloadCertificate(options: DaemonOptions, quietFor?: string): Promise<void> {
    const { log } = this.#parts;
    try {
      const load = loaderOf(options, this.#parts);
      const { leaf, notAfter, warnings } = await this.#holder.reload({ load, level: options.scl });
      this.#options = options;
      if (leaf.fingerprint256 === quietFor) return;
      log.info({ serial: leaf.serialNumber, notAfter, scl: options.scl }, 'certificate reloaded');
      this.#warn(warnings);
    } catch (error) {
      log.error(describeError(error), 'certificate not reloaded, the one in use stays');
    }
  }

  #warn(warnings: readonly string[]): void {
    for (const warning of warnings) this.#parts.log.warn(warning);
  }
}

function loaderOf(options: DaemonOptions, parts: TlsKeeperParts): () => Promise<ServerCertificate> {
  const { cert, passphraseFile } = options;
  const { state, env, typed } = parts;
  const passphrase = passphraseSource({
    ...(typed && { typed }),
    ...(passphraseFile === undefined ? {} : { file: passphraseFile }),
    env,
  });
  const choice: CertificateChoice = { cert, passphrase, state, env };
  return () => chooseCertificate(choice);
}

function levelWarnings(scl: SecurityLevel): string[] {
  if (resolveLevel(scl) >= 3) return [];
  const now = `${minProtocolOf(scl)} and newer are served`;
  return [`-scl=${scl} is a legacy level: ${now}; use -scl=3 or 4`];
}
