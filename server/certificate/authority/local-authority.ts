// The authority of one installation: made once, its key sealed and never given out. Issues server and client
// certificates, renews and revokes them, and makes revocation lists. Called by `rsynctl ca`. What it issued is in
// issued-index.ts; what may be in a certificate is in sign.ts.
//
//   authority/authority.json   certificate and sealed key      authority/issued.json   what it issued
//   authority/crl.der          its last revocation list

import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import { RsyndError } from '../../../shared/base/error.js';
import { certificateDaysMax, certificatesIssuedMax } from '../../../shared/base/limits.js';
import type { StateDirectory } from '../../state/state-directory.js';
import {
  type AlternativeName,
  parseAlternativeNames,
  writeAlternativeName,
} from '../request/alternative-names.js';
import { checkName, encodeName, type NameParts } from '../request/distinguished-name.js';
import { type KeyChoice, makeKey } from '../request/make-key.js';
import type { CertificateRequest } from '../request/read-request.js';
import { AUTHORITY_FILE, type CertificateStore } from '../store/certificate-store.js';
import { factsOf, fingerprintOf } from '../store/facts.js';
import { REVOCATION_LIST_FILE } from '../store/trusted.js';
import { readAuthorityFile } from './authority-file.js';
import {
  type Issued,
  type IssuedIndex,
  type IssueProfile,
  type RevocationReason,
  readIssuedIndex,
  writeIssuedIndex,
} from './issued-index.js';
import { signCertificate, signRevocationList, subjectDerOf } from './sign.js';

/** What to issue. */
export interface IssueOrder {
  /** Unique among what is valid; for renewal and revocation, and of the store's entry. */
  readonly name: string;
  readonly profile: IssueProfile;
  /** @default that of the request */
  readonly subject?: NameParts;
  /** @default those of the request, else none */
  readonly names?: readonly AlternativeName[];
  readonly days: number;
  /** Of the key to make. */
  readonly keyChoice: KeyChoice;
  readonly request?: CertificateRequest;
}

/** What was issued. `key` is a secret, and not there when its holder made it. */
export interface IssuedCertificate {
  readonly issued: Issued;
  readonly certificate: X509Certificate;
  /** The certificate, then the authority's. */
  readonly chain: readonly X509Certificate[];
  readonly key?: KeyObject;
}

/** How to renew; the rest is as it was. */
export interface RenewOrder {
  readonly days: number;
  readonly keyChoice: KeyChoice;
  readonly request?: CertificateRequest;
}

interface Authority {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
export const LEAF_DAYS_DEFAULT = 90;
export const LIST_DAYS_DEFAULT = 30;
const AUTHORITY_DAYS = 3650;
/** What its key is bound to. On disk: never change it. */
const SEALED_AS = 'private key of the local authority';

export class LocalAuthority {
  readonly #store: CertificateStore;
  readonly #state: StateDirectory;

  constructor(store: CertificateStore) {
    this.#store = store;
    this.#state = store.state;
  }

  /**
   * Makes it; the store gets it as an authority that the data port trusts for clients. What was cut off in the
   * middle is finished, with the authority that was made then.
   * @throws RsyndError ERR_INVARG: a part of the name; ERR_ENTRYUSED: there is one already.
   */
  async init(name: NameParts): Promise<X509Certificate> {
    // A name of its own, so that a trust store can hold the authorities of several installations.
    const own = `rsynd local CA ${randomBytes(4).toString('hex')}`;
    const subject = { ...name, commonname: name.commonname || own };
    checkName(subject);
    const begun = this.#unfinished();
    if (begun !== undefined) return this.#finish(begun, subject.commonname);
    this.#refuseSecond();
    const key = await makeKey('rsa');
    const certificate = await this.#state.change(() => this.#found(subject, key));
    return this.#finish(certificate, subject.commonname);
  }

  /** The certificate of an authority whose `init` did not come to its end. */
  #unfinished(): X509Certificate | undefined {
    const file = readAuthorityFile(this.#state);
    if (file === undefined) return undefined;
    const certificate = new X509Certificate(file.certificate);
    const hasList = this.#state.read(REVOCATION_LIST_FILE) !== undefined;
    return this.#isStored(certificate) && hasList ? undefined : certificate;
  }

  #isStored(certificate: X509Certificate): boolean {
    return this.#store.list().some(({ id }) => id === fingerprintOf(certificate));
  }

  async #finish(certificate: X509Certificate, proposedName: string): Promise<X509Certificate> {
    const trustedFor = { data: true, replication: false, rest: false };
    const entry = { kind: 'authority', chain: [certificate], trustedFor, proposedName } as const;
    if (!this.#isStored(certificate)) await this.#store.add([entry]);
    await this.makeRevocationList(LIST_DAYS_DEFAULT);
    return certificate;
  }

  /** Its certificate; no key. ERR_NOENTRY when there is none yet. */
  certificate(): X509Certificate {
    return new X509Certificate(this.#file().certificate);
  }

  /** All it ever issued, in that order. */
  list(): readonly Issued[] {
    return readIssuedIndex(this.#state).issued;
  }

  /**
   * Issues a certificate; one for a server whose key is made here goes into the store too.
   * @throws RsyndError ERR_INVARG: name taken, days, names; ERR_NOENTRY: there is no authority yet.
   */
  async issue(order: IssueOrder): Promise<IssuedCertificate> {
    this.#refuseTaken(order);
    const asked = order.subject ? undefined : order.request?.subject;
    const subject = asked ?? subjectOf(order.subject ?? {});
    const made = await this.#issue(order, subject, () => this.#refuseTaken(order));
    if (keepsInStore(made.issued)) {
      const { name } = order;
      const { chain, key } = made;
      await this.#store.add([
        { kind: 'server', name, proposedName: name, chain, ...(key && { key }) },
      ]);
    }
    return made;
  }

  /**
   * Issues again what was issued under `name`, with a new key; the old one stays valid until it ends.
   * @throws RsyndError ERR_NOENTRY: nothing of that name that is not revoked; ERR_INVARG
   */
  async renew(name: string, order: RenewOrder): Promise<IssuedCertificate> {
    const last = this.list().findLast((each) => each.name === name && !each.revoked);
    if (last === undefined) throw unknown(`no certificate named ${name} to renew; see ca list`);
    if (last.fromRequest && order.request === undefined) {
      throw invalid(`${name} was issued from a request; give a new one with --csr FILE`);
    }
    const { profile } = last;
    const names = parseAlternativeNames(last.names);
    const whole = { ...order, name, profile, names };
    const made = await this.#issue(whole, Buffer.from(last.subjectDer, 'base64'));
    if (keepsInStore(made.issued)) await this.#store.install(name, made.chain, made.key);
    return made;
  }

  /**
   * Revokes the certificate of a serial number, or all of a name, and makes a new revocation list.
   * @throws RsyndError ERR_NOENTRY: nothing of that name or serial that is not revoked.
   */
  revoke(reference: string, reason: RevocationReason): Promise<readonly Issued[]> {
    return this.#state.change(() => {
      const authority = this.#open();
      const index = readIssuedIndex(this.#state);
      const found = index.issued.filter((each) => !each.revoked && isMeant(each, reference));
      if (found.length === 0) {
        throw unknown(
          `${reference} is neither name nor serial of a certificate that can be revoked`,
        );
      }
      const at = this.#store.now().toISOString();
      const issued = index.issued.map((each) =>
        found.includes(each) ? { ...each, revoked: { at, reason } } : each,
      );
      this.#writeList(authority, { ...index, issued }, LIST_DAYS_DEFAULT);
      return found;
    });
  }

  /** Makes and keeps a new revocation list; its number grows by one each time. DER. */
  makeRevocationList(days: number): Promise<Buffer> {
    checkDays(days);
    return this.#state.change(() =>
      this.#writeList(this.#open(), readIssuedIndex(this.#state), days),
    );
  }

  #found(name: NameParts, key: KeyObject): X509Certificate {
    this.#refuseSecond();
    const subject = subjectOf(name);
    const now = this.#store.now();
    const publicKey = createPublicKey(key);
    const certificate = signCertificate(
      {
        subject,
        issuer: subject,
        publicKey,
        issuerPublicKey: publicKey,
        profile: 'authority',
        names: [],
        notBefore: new Date(now.getTime() - HOUR_MS),
        notAfter: new Date(now.getTime() + AUTHORITY_DAYS * DAY_MS),
      },
      key,
    );
    const secret = key.export({ type: 'pkcs8', format: 'der' });
    const sealedKey = this.#store.seal.close(secret, SEALED_AS, !this.#store.holdsKeys());
    const file = { format: 1, certificate: String(certificate), sealedKey };
    this.#state.writeJson(AUTHORITY_FILE, file);
    return certificate;
  }

  /** `check` is made again where nobody else can come between. */
  async #issue(
    order: IssueOrder,
    subject: Buffer,
    check = (): void => {},
  ): Promise<IssuedCertificate> {
    checkDays(order.days);
    const { request, profile } = order;
    // What a request asks for is judged like what is typed.
    const asked = order.names ?? request?.names ?? [];
    const names = parseAlternativeNames(asked.map(writeAlternativeName));
    this.#file();
    const key = request ? undefined : await makeKey(order.keyChoice);
    const publicKey = request?.publicKey ?? (key && createPublicKey(key));
    if (publicKey === undefined) throw new TypeError('there is a request or a key');
    return this.#state.change(() => {
      check();
      const { certificate: issuer, key: issuerKey } = this.#open();
      const index = readIssuedIndex(this.#state);
      refuseFull(index);
      const dates = this.#datesOf(order.days, issuer);
      const content = { subject, publicKey, profile, names, ...dates };
      const certificate = signCertificate(
        { ...content, issuer: subjectDerOf(issuer), issuerPublicKey: issuer.publicKey },
        issuerKey,
      );
      const issued = issuedOf(certificate, order, request !== undefined);
      writeIssuedIndex(this.#state, { ...index, issued: [...index.issued, issued] });
      return { issued, certificate, chain: [certificate, issuer], ...(key && { key }) };
    });
  }

  /** Begins an hour ago, for clocks that differ; never reaches beyond the authority's own dates. */
  #datesOf(days: number, issuer: X509Certificate): { notBefore: Date; notAfter: Date } {
    const now = this.#store.now().getTime();
    const latest = Date.parse(issuer.validTo);
    if (now > latest) throw invalid(`the local authority expired at ${issuer.validTo}`);
    return {
      notBefore: new Date(Math.max(now - HOUR_MS, Date.parse(issuer.validFrom))),
      notAfter: new Date(Math.min(now + days * DAY_MS, latest)),
    };
  }

  #writeList({ certificate, key }: Authority, index: IssuedIndex, days: number): Buffer {
    const now = this.#store.now();
    const number = index.listNumber + 1;
    const der = signRevocationList(
      {
        issuer: subjectDerOf(certificate),
        issuerPublicKey: certificate.publicKey,
        number,
        thisUpdate: now,
        nextUpdate: new Date(now.getTime() + days * DAY_MS),
        revoked: index.issued.flatMap(({ serial, revoked }) =>
          revoked ? [{ serial, at: new Date(revoked.at), reason: revoked.reason }] : [],
        ),
      },
      key,
    );
    // The index first: what is revoked there holds, whatever list is around.
    writeIssuedIndex(this.#state, { ...index, listNumber: number });
    this.#state.write(REVOCATION_LIST_FILE, der);
    return der;
  }

  #refuseSecond(): void {
    if (readAuthorityFile(this.#state) === undefined) return;
    const why = `there is a local authority in ${this.#state.path} already; one is enough`;
    throw new RsyndError('ERR_ENTRYUSED', `${why}, see ca list`);
  }

  #refuseTaken({ name, request, profile }: IssueOrder): void {
    const now = this.#store.now().toISOString();
    const taken = this.list().some(
      (each) => each.name === name && !each.revoked && each.notAfter > now,
    );
    if (taken) throw invalid(`the name ${name} is issued already; renew or revoke it, see ca list`);
    const isStored = keepsInStore({ profile, fromRequest: request !== undefined });
    if (isStored && this.#store.list().some((entry) => entry.name === name)) {
      throw invalid(`the name ${name} is taken in the certificate store, see cert list`);
    }
  }

  #file(): ReturnType<typeof readAuthorityFile> & object {
    const file = readAuthorityFile(this.#state);
    if (file !== undefined) return file;
    throw unknown(`there is no local authority in ${this.#state.path}; make it with ca init`);
  }

  #open(): Authority {
    const { certificate, sealedKey } = this.#file();
    const der = this.#store.seal.open(sealedKey, SEALED_AS);
    const key = createPrivateKey({ key: der, type: 'pkcs8', format: 'der' });
    return { certificate: new X509Certificate(certificate), key };
  }
}

const keepsInStore = ({ profile, fromRequest }: Pick<Issued, 'profile' | 'fromRequest'>): boolean =>
  profile !== 'client' && !fromRequest;

function subjectOf(name: NameParts): Buffer {
  checkName(name);
  return Buffer.from(encodeName(name).toBER());
}

function issuedOf(certificate: X509Certificate, order: IssueOrder, fromRequest: boolean): Issued {
  const { subject, names, notBefore, notAfter } = factsOf(certificate);
  return {
    serial: certificate.serialNumber.toLowerCase(),
    name: order.name,
    profile: order.profile,
    fingerprint: fingerprintOf(certificate),
    subject,
    subjectDer: subjectDerOf(certificate).toString('base64'),
    fromRequest,
    names,
    notBefore,
    notAfter,
  };
}

function isMeant({ name, serial }: Issued, reference: string): boolean {
  return name === reference || serial === reference.replaceAll(':', '').toLowerCase();
}

function checkDays(days: number): void {
  if (Number.isSafeInteger(days) && days >= 1 && days <= certificateDaysMax) return;
  throw invalid(`--days ${days}: it must be a whole number from 1 to ${certificateDaysMax}`);
}

function refuseFull({ issued }: IssuedIndex): void {
  if (issued.length < certificatesIssuedMax) return;
  const why = `the local authority has issued ${certificatesIssuedMax} certificates, its maximum`;
  throw new RsyndError('ERR_BADCERT', why);
}

const unknown = (why: string): RsyndError => new RsyndError('ERR_NOENTRY', why);

const invalid = (why: string): RsyndError => new RsyndError('ERR_INVARG', why);
