// The certificates of an installation: our own with their keys, those of other servers, and authorities. rsynctl
// changes it, the daemon reads it; replication, console and encryption at rest use the same one. Keys come in
// and are sealed; only `privateKey` gives one out. What a file holds and whether it is sound is import's business.
//
//   certificates/<id>.json      one entry each, see entry.ts
//   certificate-in-use.json     which entry the data port presents

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  type X509Certificate,
} from 'node:crypto';
import { RsyndError } from '../../../shared/base/error.js';
import { isObject } from '../../../shared/base/is-object.js';
import { certificatesStoredMax, certificateVersionsKeptMax } from '../../../shared/base/limits.js';
import type { StateDirectory } from '../../state/state-directory.js';
import { readIssuedIndex, revokedFingerprints } from '../authority/issued-index.js';
import {
  type CertificateEntry,
  type CertificateKind,
  type CertificateVersion,
  certificateOf,
  decodeEntry,
  isEntryName,
  TRUSTED_FOR_NOTHING,
  type TrustSwitches,
} from './entry.js';
import { type CertificateStatus, fingerprintOf, statusAt } from './facts.js';
import { textOf } from './json.js';
import { Seal } from './seal.js';

/** Says who uses an entry, in words that follow "is used by": `the data port`, `policy nightly`. */
export type UsersOfEntry = (entry: CertificateEntry) => readonly string[];

export interface CertificateStoreOptions {
  /** @default the system's clock */
  readonly now?: () => Date;
  /** For RSYND_SEAL_KEY_FILE. @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Further users of entries; the data port is known. @default none */
  readonly users?: readonly UsersOfEntry[];
}

/** A certificate on its way in, judged already. */
export interface NewCertificate {
  readonly kind: CertificateKind;
  /** @default made from `proposedName`, with a number behind it when that is taken */
  readonly name?: string;
  readonly proposedName: string;
  /** The certificate, then its issuers upwards. */
  readonly chain: readonly X509Certificate[];
  /** Of kind server: the key, which gets sealed. */
  readonly key?: KeyObject;
  /** @default for nothing */
  readonly trustedFor?: TrustSwitches;
}

export type EntryStatus = CertificateStatus | 'outstanding';

const FOLDER = 'certificates';
const IN_USE_FILE = 'certificate-in-use.json';
/** Of the local authority, which has a sealed key too. */
export const AUTHORITY_FILE = 'authority/authority.json';
const SHORT_ID_CHARS = 12;
// Shorter ones fit by accident too easily: many names consist of these letters.
const ID_PREFIX = /^[0-9a-f]{4,64}$/;

/** An id cut to a length that people can type; any unique part from its beginning is accepted. */
export const shortId = (id: string): string => id.slice(0, SHORT_ID_CHARS);

export class CertificateStore {
  readonly state: StateDirectory;
  readonly seal: Seal;
  readonly #now: () => Date;
  readonly #users: readonly UsersOfEntry[];

  constructor(state: StateDirectory, options: CertificateStoreOptions = {}) {
    this.state = state;
    this.seal = new Seal(state, options.env);
    this.#now = options.now ?? (() => new Date());
    this.#users = options.users ?? [];
  }

  now(): Date {
    return this.#now();
  }

  /** All entries by name. ERR_CONFIG when a file of the store is damaged. */
  list(): CertificateEntry[] {
    const entries = this.#ids().flatMap((id) => this.#read(id) ?? []);
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * The entry of a name, or of the beginning of an id or fingerprint, four digits at least (colons do not matter).
   * @throws RsyndError ERR_NOENTRY: none, or more than one.
   */
  find(reference: string): CertificateEntry {
    const entries = this.list();
    const named = entries.find(({ name }) => name === reference);
    if (named !== undefined) return named;
    const prefix = reference.replaceAll(':', '').toLowerCase();
    const found = ID_PREFIX.test(prefix) ? entries.filter((each) => begins(each, prefix)) : [];
    const [entry, another] = found;
    if (another !== undefined) throw unknown(`${reference} fits ${listNames(found)}; add digits`);
    if (entry !== undefined) return entry;
    throw unknown(`${reference} is neither name nor id in the certificate store; see cert list`);
  }

  /** Fingerprints that the local authority revoked: read once when many entries are asked for. */
  revoked(): ReadonlySet<string> {
    return revokedFingerprints(readIssuedIndex(this.state));
  }

  status(entry: CertificateEntry, revoked = this.revoked()): EntryStatus {
    const certificate = certificateOf(entry);
    if (certificate === undefined) return 'outstanding';
    if (revoked.has(fingerprintOf(certificate))) return 'revoked';
    return statusAt(certificate, this.#now());
  }

  /** Who uses it now; such an entry cannot be removed. */
  usedBy(entry: CertificateEntry): readonly string[] {
    const port = this.#inUse() === entry.id ? ['the data port'] : [];
    return [...port, ...this.#users.flatMap((users) => users(entry))];
  }

  /** The private key of a server entry. A secret: never print it or put it into an answer. ERR_CONFIG. */
  privateKey({ id, name, current }: CertificateEntry): KeyObject {
    if (current?.sealedKey === undefined) {
      throw new RsyndError('ERR_NOENTRY', `${name} has no private key in the certificate store`);
    }
    return decodeKey(this.seal.open(current.sealedKey, keyName(id)));
  }

  /** The key an outstanding request was made with. ERR_NOENTRY, ERR_CONFIG. */
  requestedKey({ id, name, outstanding }: CertificateEntry): KeyObject {
    if (outstanding === undefined) {
      throw new RsyndError('ERR_NOENTRY', `${name} has no request that waits for a certificate`);
    }
    return decodeKey(this.seal.open(outstanding.sealedKey, keyName(id)));
  }

  /** Was anything sealed yet? Then the seal key must be there and may not be made anew. */
  holdsKeys(entries: readonly CertificateEntry[] = this.list()): boolean {
    const sealed = entries.some(({ current, outstanding }) => current?.sealedKey ?? outstanding);
    return sealed || this.state.read(AUTHORITY_FILE) !== undefined;
  }

  /** The entry the data port presents, undefined when none was activated. */
  active(): CertificateEntry | undefined {
    const id = this.#inUse();
    return id === undefined ? undefined : this.#read(id);
  }

  /** Adds certificates in one step, all or none. ERR_INVARG: name; ERR_BADCERT: there already, store full. */
  add(certificates: readonly NewCertificate[]): Promise<CertificateEntry[]> {
    return this.state.change(() => {
      const entries = this.list();
      for (const each of certificates) entries.push(this.#entryOf(each, entries));
      const added = entries.slice(entries.length - certificates.length);
      for (const entry of added) this.#write(entry);
      return added;
    });
  }

  /**
   * Puts a request and its key beside an entry of that name, or makes the entry.
   * @throws RsyndError ERR_INVARG: the name is bad or of another kind; ERR_ENTRYUSED: another request is
   * outstanding, whose key would be lost, and `mayReplace` was not said.
   */
  addRequest(
    name: string,
    request: string,
    key: KeyObject,
    mayReplace = false,
  ): Promise<CertificateEntry> {
    return this.state.change(() => {
      const entries = this.list();
      const known = entries.find((each) => each.name === name);
      if (known !== undefined && known.kind !== 'server') throw isTaken(known);
      if (known?.outstanding && !mayReplace) throw isOutstanding(known);
      const base = known ?? newEntry(publicKeyId(key), this.#freeName(name, entries), this.#now());
      if (known === undefined) checkRoom(base, entries);
      const sealedKey = this.seal.close(encodeKey(key), keyName(base.id), !this.holdsKeys(entries));
      return this.#write({ ...base, outstanding: { request, sealedKey } });
    });
  }

  /** Makes `chain` what the entry holds, with the key of its request or with `key`; keeps the old for rollback. */
  install(
    reference: string,
    chain: readonly X509Certificate[],
    key?: KeyObject,
  ): Promise<CertificateEntry> {
    return this.#change(reference, (entry) => {
      const sealedKey = key
        ? this.seal.close(encodeKey(key), keyName(entry.id), false)
        : entry.outstanding?.sealedKey;
      const current = this.#versionOf(chain, sealedKey ?? entry.current?.sealedKey);
      const previous = [...(entry.current ? [entry.current] : []), ...entry.previous];
      const { outstanding: _, ...rest } = entry;
      const kept = key === undefined ? rest : entry;
      return { ...kept, current, previous: previous.slice(0, certificateVersionsKeptMax) };
    });
  }

  /** Goes back to the certificate before; the one given up becomes the one to go back to. ERR_NOENTRY. */
  rollback(reference: string): Promise<CertificateEntry> {
    return this.#change(reference, (entry) => {
      const [back, ...older] = entry.previous;
      if (back === undefined || entry.current === undefined) {
        throw unknown(`${entry.name} has no certificate before this one`);
      }
      return { ...entry, current: back, previous: [entry.current, ...older] };
    });
  }

  trust(reference: string, switches: Partial<TrustSwitches>): Promise<CertificateEntry> {
    return this.#change(reference, (entry) => {
      if (entry.kind === 'server') {
        const why = `${entry.name} is our own certificate; only authorities and peers are trusted`;
        throw new RsyndError('ERR_INVARG', why);
      }
      return { ...entry, trustedFor: { ...entry.trustedFor, ...switches } };
    });
  }

  /** Marks what the data port presents. ERR_BADCERT when it cannot. */
  activate(reference: string): Promise<CertificateEntry> {
    return this.#change(reference, (entry) => {
      const status = this.status(entry);
      if (entry.kind !== 'server') throw bad(`${entry.name} is of kind ${entry.kind}, not server`);
      if (status !== 'valid' && status !== 'expiring') {
        throw bad(`${entry.name} cannot be activated, it is ${status}`);
      }
      this.state.writeJson(IN_USE_FILE, { format: 1, id: entry.id });
      return entry;
    });
  }

  /** The data port presents what -cert says again. */
  deactivate(): Promise<void> {
    return this.state.change(() => this.state.remove(IN_USE_FILE));
  }

  /** ERR_ENTRYUSED names who uses it. */
  remove(reference: string): Promise<CertificateEntry> {
    return this.state.change(() => {
      const entry = this.find(reference);
      const users = this.usedBy(entry);
      if (users.length > 0) {
        const why = `${entry.kind} certificate ${entry.name} is used by ${users.join(', ')}`;
        throw new RsyndError('ERR_ENTRYUSED', `${why}; end that first`);
      }
      this.state.remove(fileOf(entry.id));
      return entry;
    });
  }

  #change(
    reference: string,
    make: (entry: CertificateEntry) => CertificateEntry,
  ): Promise<CertificateEntry> {
    return this.state.change(() => this.#write(make(this.find(reference))));
  }

  #entryOf(incoming: NewCertificate, entries: readonly CertificateEntry[]): CertificateEntry {
    const { chain, key, kind, proposedName, trustedFor = TRUSTED_FOR_NOTHING } = incoming;
    const [certificate] = chain;
    if (certificate === undefined) throw new TypeError('a chain has at least one certificate');
    const id = fingerprintOf(certificate);
    const name = this.#freeName(
      incoming.name ?? proposedName,
      entries,
      incoming.name === undefined,
    );
    const entry = { ...newEntry(id, name, this.#now()), kind, trustedFor };
    checkRoom(entry, entries);
    const sealedKey = key && this.seal.close(encodeKey(key), keyName(id), !this.holdsKeys(entries));
    return { ...entry, current: this.#versionOf(chain, sealedKey) };
  }

  #versionOf(
    chain: readonly X509Certificate[],
    sealedKey: CertificateVersion['sealedKey'],
  ): CertificateVersion {
    const version = { chain: chain.map(String).join(''), installed: this.#now().toISOString() };
    return sealedKey === undefined ? version : { ...version, sealedKey };
  }

  #freeName(wanted: string, entries: readonly CertificateEntry[], mayNumber = false): string {
    if (!isEntryName(wanted)) {
      throw new RsyndError('ERR_INVARG', `${JSON.stringify(wanted)} is no name for a certificate`);
    }
    const ownerOf = (name: string) => entries.find((each) => each.name === name);
    const owner = ownerOf(wanted);
    if (owner === undefined) return wanted;
    if (!mayNumber) throw isTaken(owner);
    let number = 2;
    while (ownerOf(`${wanted} ${number}`) !== undefined) number++;
    return `${wanted} ${number}`;
  }

  #ids(): string[] {
    const files = this.state.list(FOLDER).filter((file) => file.endsWith('.json'));
    return files.map((file) => file.slice(0, -'.json'.length));
  }

  #read(id: string): CertificateEntry | undefined {
    return this.state.readJson(fileOf(id), decodeEntry);
  }

  #write(entry: CertificateEntry): CertificateEntry {
    this.state.writeJson(fileOf(entry.id), entry);
    return entry;
  }

  #inUse(): string | undefined {
    return this.state.readJson(IN_USE_FILE, (value) => {
      if (!isObject(value)) throw new Error('it is no object');
      const id = textOf(value, 'id');
      if (!/^[0-9a-f]{64}$/.test(id)) throw new Error('id is none');
      return id;
    });
  }
}

const fileOf = (id: string): string => `${FOLDER}/${id}.json`;

/** What a sealed key is bound to. On disk: never change it. */
const keyName = (id: string): string => `private key of certificate ${id}`;

const newEntry = (id: string, name: string, now: Date): CertificateEntry => ({
  format: 1,
  id,
  kind: 'server',
  name,
  created: now.toISOString(),
  trustedFor: TRUSTED_FOR_NOTHING,
  previous: [],
});

const encodeKey = (key: KeyObject): Buffer => key.export({ type: 'pkcs8', format: 'der' });

const decodeKey = (der: Buffer): KeyObject =>
  createPrivateKey({ key: der, type: 'pkcs8', format: 'der' });

const publicKeyId = (key: KeyObject): string =>
  createHash('sha256')
    .update(createPublicKey(key).export({ type: 'spki', format: 'der' }))
    .digest('hex');

const begins = (entry: CertificateEntry, prefix: string): boolean => {
  if (entry.id.startsWith(prefix)) return true;
  const certificate = certificateOf(entry);
  return certificate !== undefined && fingerprintOf(certificate).startsWith(prefix);
};

function checkRoom({ id }: CertificateEntry, entries: readonly CertificateEntry[]): void {
  const known = entries.find((each) => each.id === id);
  if (known !== undefined) {
    throw bad(`it is in the store already, as ${known.kind} certificate ${known.name}`);
  }
  if (entries.length < certificatesStoredMax) return;
  throw bad(`the store is full with ${certificatesStoredMax} entries; remove some`);
}

const listNames = (entries: readonly CertificateEntry[]): string =>
  entries.map(({ name, id }) => `${name} (${shortId(id)})`).join(', ');

const bad = (why: string): RsyndError => new RsyndError('ERR_BADCERT', why);

const unknown = (why: string): RsyndError => new RsyndError('ERR_NOENTRY', why);

const isTaken = ({ name, kind, id }: CertificateEntry): RsyndError =>
  new RsyndError('ERR_INVARG', `the name ${name} is taken by ${kind} certificate ${shortId(id)}`);

const isOutstanding = ({ name }: CertificateEntry): RsyndError =>
  new RsyndError(
    'ERR_ENTRYUSED',
    `a request of ${name} waits for its certificate; install that, or say --replace to give it up`,
  );
