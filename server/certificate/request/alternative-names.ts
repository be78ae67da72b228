// Subject alternative names: `dns:db.example,ip:10.0.0.1,email:a@b.example` as --san takes them, and as the
// extension of a certificate or request.

import { isIP } from 'node:net';
import { RsyndError } from '../../../shared/base/error.js';
import { alternativeNamesMax } from '../../../shared/base/limits.js';
import { extension, sequence, taggedBytes } from './der.js';

const NAME_KINDS = ['dns', 'ip', 'email', 'uri'] as const;
type NameKind = (typeof NAME_KINDS)[number];

export interface AlternativeName {
  readonly kind: NameKind;
  readonly value: string;
}

export const SUBJECT_ALT_NAME = '2.5.29.17';

/** Context tags of GeneralName. */
const TAGS: Readonly<Record<NameKind, number>> = { email: 1, dns: 2, uri: 6, ip: 7 };

const HOST =
  /^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$/;

/**
 * Reads names of one or more options; without a kind it is an address when it looks like one, else a host.
 * @throws RsyndError ERR_INVARG
 */
export function parseAlternativeNames(texts: readonly string[]): AlternativeName[] {
  const parts = texts.flatMap((text) => text.split(',')).map((part) => part.trim());
  const names = parts.filter((part) => part !== '').map(parseOne);
  if (names.length <= alternativeNamesMax) return names;
  throw new RsyndError('ERR_INVARG', `${names.length} names, at most ${alternativeNamesMax}`);
}

function parseOne(part: string): AlternativeName {
  const [, prefix = '', rest = ''] = /^(dns|ip|email|uri):(.*)$/is.exec(part) ?? [];
  const kind = NAME_KINDS.find((each) => each === prefix.toLowerCase());
  const name = kind ? { kind, value: rest } : guess(part);
  const why = whyUnusable(name);
  if (why === undefined) return name;
  const example = 'write dns:db.example, ip:10.0.0.1 or email:ops@db.example';
  throw new RsyndError('ERR_INVARG', `--san ${JSON.stringify(part)}: ${why}; ${example}`);
}

function guess(part: string): AlternativeName {
  if (isIP(part) !== 0) return { kind: 'ip', value: part };
  return { kind: part.includes('@') ? 'email' : 'dns', value: part };
}

function whyUnusable({ kind, value }: AlternativeName): string | undefined {
  if (kind === 'ip') return isIP(value) === 0 ? 'it is no IP address' : undefined;
  if (!/^[\x21-\x7e]+$/.test(value)) return 'it must be ASCII without blanks';
  if (kind === 'dns' && (!HOST.test(value) || value.length > 253)) return 'it is no host name';
  if (kind === 'email' && !/^[^@]+@[^@]+$/.test(value)) return 'it is no e-mail address';
  return undefined;
}

/** `dns:db.example`, as it is given to --san. */
export const writeAlternativeName = ({ kind, value }: AlternativeName): string =>
  `${kind}:${value}`;

/** The extension; there must be a name. */
export const alternativeNamesExtension = (names: readonly AlternativeName[]) =>
  extension(
    SUBJECT_ALT_NAME,
    sequence(...names.map((name) => taggedBytes(TAGS[name.kind], bytesOf(name)))),
  );

const bytesOf = ({ kind, value }: AlternativeName): Buffer =>
  kind === 'ip' ? addressBytes(value) : Buffer.from(value, 'latin1');

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const { hostname } = new URL(`http://[${address.replace(/%.*$/, '')}]`); // writes it in its one form
  const [head = '', tail] = hostname.slice(1, -1).split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [front, back] = [groups(head), groups(tail ?? '')];
  const zeros = new Array<string>(8 - front.length - back.length).fill('0');
  const all = [...front, ...(tail === undefined ? [] : zeros), ...back];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

/** Reads them back from the bytes of a GeneralName: tag and content. Undefined for kinds we do not take. */
export function decodeAlternativeName(tag: number, bytes: Buffer): AlternativeName | undefined {
  const kind = NAME_KINDS.find((each) => TAGS[each] === tag);
  if (kind === undefined) return undefined;
  return { kind, value: kind === 'ip' ? writeAddress(bytes) : bytes.toString('latin1') };
}

function writeAddress(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.');
  const groups = bytes.toString('hex').match(/.{4}/g) ?? [];
  return groups.map((group) => group.replace(/^0{1,3}/, '')).join(':');
}
