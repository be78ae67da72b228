// What rsynctl says of entries of the certificate store, as text and as JSON. No private key passes through here.

import { type CertificateStore, shortId } from '../server/certificate/store/certificate-store.js';
import {
  type CertificateEntry,
  certificateOf,
  certificatesOf,
  TRUST_SERVICES,
} from '../server/certificate/store/entry.js';
import { daysLeft, factsOf, oneLine } from '../server/certificate/store/facts.js';
import { tableOf } from './table.js';

/** All that may be told of an entry. */
export function shownEntry(
  store: CertificateStore,
  entry: CertificateEntry,
  revoked = store.revoked(),
) {
  const { id, name, kind, created, trustedFor, current, outstanding, previous } = entry;
  const certificate = certificateOf(entry);
  return {
    id,
    name,
    kind,
    status: store.status(entry, revoked),
    daysLeft: certificate ? daysLeft(certificate, store.now()) : null,
    usedBy: store.usedBy(entry),
    trustedFor,
    hasKey: (current?.sealedKey ?? outstanding) !== undefined,
    requestOutstanding: outstanding !== undefined,
    versionsBefore: previous.length,
    created,
    chain: current ? certificatesOf(current).map(({ subject }) => oneLine(subject)) : [],
    ...(certificate && factsOf(certificate)),
  };
}

export type ShownEntry = ReturnType<typeof shownEntry>;

export function tableOfEntries(entries: readonly ShownEntry[]): string {
  const rows = entries.map((each) => [
    shortId(each.id),
    each.name,
    each.kind,
    each.status,
    each.daysLeft === null ? '-' : String(each.daysLeft),
    TRUST_SERVICES.filter((service) => each.trustedFor[service]).join(',') || '-',
    each.usedBy.join(', ') || '-',
  ]);
  return tableOf(['ID', 'NAME', 'KIND', 'STATUS', 'DAYS', 'TRUSTED FOR', 'USED BY'], rows);
}

/** One entry, a fact a line. */
export function textOfEntry(shown: ShownEntry): string {
  const trusted = TRUST_SERVICES.filter((service) => shown.trustedFor[service]).join(', ');
  const facts: (readonly [string, string | undefined])[] = [
    ['id', shown.id],
    ['name', shown.name],
    ['kind', shown.kind],
    ['status', shown.status + (shown.daysLeft === null ? '' : `, ${shown.daysLeft} days left`)],
    ['fingerprint', shown.fingerprint],
    ['subject', shown.subject],
    ['issuer', shown.issuer],
    ['serial', shown.serial],
    ['names', shown.names?.join(', ')],
    ['valid', shown.notBefore && `${shown.notBefore} to ${shown.notAfter}`],
    ['key', shown.key && `${shown.key}${shown.hasKey ? ', private key sealed here' : ''}`],
    ['chain', shown.chain.join(' < ')],
    ['trusted for', shown.kind === 'server' ? '' : trusted || 'nothing'],
    ['used by', shown.usedBy.join(', ')],
    ['request', shown.requestOutstanding ? 'outstanding: install its certificate' : ''],
    ['rollback', shown.versionsBefore > 0 ? `${shown.versionsBefore} kept` : ''],
  ];
  return facts
    .filter(([, value]) => value)
    .map(([label, value]) => `${label.padEnd(12)} ${value}`)
    .join('\n');
}
