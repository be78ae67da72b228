// Rules that say which certificate stands for a user: `sha256:<hex>`, `subject:CN=alice,O=Acme` (all of it),
// `cn:alice`, and `dns:`, `email:`, `uri:` of its alternative names. Facts about the certificate come from
// whoever judged it (peer-identity.ts); a rule trusts nothing by itself.

import { RsyndError } from '../../shared/base/error.js';
import { certificateRuleBytesMax } from '../../shared/base/limits.js';
import type { PeerIdentity } from './peer-identity.js';

const KINDS = ['sha256', 'subject', 'cn', 'dns', 'email', 'uri'] as const;
type Kind = (typeof KINDS)[number];

/** A rule taken apart; `value` is in the one form that is compared. */
export interface CertificateRule {
  readonly kind: Kind;
  readonly value: string;
}

/** Reads a rule. ERR_INVARG says what is wrong with it. */
export function parseCertificateRule(text: string): CertificateRule {
  const colon = text.indexOf(':');
  const word = text.slice(0, colon).toLowerCase();
  const kind = KINDS.find((each) => each === word);
  const value = text.slice(colon + 1).trim();
  if (kind === undefined || value === '') throw badRule(text, 'is not KIND:VALUE');
  if (Buffer.byteLength(text) > certificateRuleBytesMax) throw badRule(text, 'is too long');
  if (value.includes('*')) throw badRule(text, 'has a star; a rule names one certificate holder');
  const rule = { kind, value: normal(kind, value) };
  if (kind === 'sha256' && !/^[0-9a-f]{64}$/.test(rule.value)) {
    throw badRule(text, 'has not 64 hex digits');
  }
  return rule;
}

/** The rule as it is kept and shown. */
export const formatCertificateRule = ({ kind, value }: CertificateRule): string =>
  `${kind}:${value}`;

/** True when the certificate is one the rule means. */
export function matchesRule({ kind, value }: CertificateRule, identity: PeerIdentity): boolean {
  switch (kind) {
    case 'sha256':
      return identity.fingerprint === value;
    case 'subject':
      return identity.subject === value;
    case 'cn':
      return commonNameOf(identity.subject) === value;
    case 'dns':
    case 'email':
    case 'uri':
      return identity.names.some((name) => {
        const [, itsKind, itsValue = ''] = /^(dns|email|uri):(.*)$/s.exec(name) ?? [];
        return itsKind === kind && normal(kind, itsValue) === value;
      });
  }
}

/** What is written in more than one way, in one: hex, and names of hosts, which have no case. */
function normal(kind: Kind, value: string): string {
  if (kind === 'sha256') return value.replaceAll(':', '').toLowerCase();
  if (kind === 'dns') return value.toLowerCase();
  if (kind !== 'email') return value;
  const at = value.lastIndexOf('@');
  return value.slice(0, at) + value.slice(at).toLowerCase();
}

/** The most specific common name of an RFC 4514 text, unescaped. */
function commonNameOf(subject: string): string | undefined {
  for (const part of subject.match(/(?:\\.|[^,+\\])+/gs) ?? []) {
    const [, value] = /^\s*CN=(.*)$/is.exec(part) ?? [];
    if (value !== undefined) return unescape4514(value);
  }
  return undefined;
}

function unescape4514(value: string): string {
  const bytes: Buffer[] = [];
  for (const [piece] of value.matchAll(/\\[0-9a-f]{2}|\\.|[^\\]+/gis)) {
    if (/^\\[0-9a-f]{2}$/i.test(piece)) bytes.push(Buffer.from(piece.slice(1), 'hex'));
    else bytes.push(Buffer.from(piece.startsWith('\\') ? piece.slice(1) : piece));
  }
  return Buffer.concat(bytes).toString('utf8');
}

function badRule(text: string, why: string): RsyndError {
  const shown = JSON.stringify(text.slice(0, 80));
  const usage = `write sha256:HEX, 'subject:CN=…,O=…', cn:NAME, dns:HOST, email:ADDRESS or uri:URI`;
  return new RsyndError('ERR_INVARG', `the certificate rule ${shown} ${why}; ${usage}`);
}
