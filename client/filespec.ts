// What a user writes to say which file on which server, turned into its parts. Called by open, isamc,
// connect and the getfa program; it looks nothing up and touches no disk.
//
//   name@host[:port]                      remote
//   rsynds://[user@]host[:port]/name      remote, TLS required
//   anything else                         a local path
//   host[:port], rsynds://[user@]host[:port]   a server, for connect()
//
// The last `@` decides, and only when no path separator follows it: `/mail/a@b/orders.ism` is local.
// IPv6 addresses stand in brackets: `orders@[::1]:2330`. Names are passed on as they were written; whether
// one may be served is for the server to say.

import { isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { RsyndError } from '../shared/base/error.js';
import { fileNameBytesMax, userNameBytesMax } from '../shared/base/limits.js';

/** The port of the field's servers since ever. */
export const DEFAULT_PORT = 2330;

/** Where a server is and what its address already insists on. */
export interface ServerAddress {
  /** Name or IP address as given, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** True for `rsynds://`: TLS or failure. */
  readonly secure: boolean;
  /** User named in the URL. */
  readonly user?: string;
}

/** A file specification taken apart. */
export type Filespec =
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 'remote'; readonly name: string; readonly server: ServerAddress };

const URL_FORM = /^([a-z][a-z0-9+.-]+):\/\/([^/]*)(?:\/(.*))?$/is;
const HOST_CHARACTERS = /^[^\s/\\@:[\]?#%<>^|]+$/;
const hostBytesMax = 253;
const portMax = 65_535;

/** Reads a file specification. Throws ERR_FILSPC for a bad name, ERR_BADHOST for a bad server. */
export function parseFilespec(filespec: string): Filespec {
  requireText(filespec, 'a file specification');
  const url = URL_FORM.exec(filespec);
  if (url !== null) return fromUrl(filespec, url);
  const at = filespec.lastIndexOf('@');
  if (at < 0 || /[/\\]/.test(filespec.slice(at))) {
    return { kind: 'local', path: checkedName(filespec, filespec) };
  }
  const name = checkedName(filespec.slice(0, at), filespec);
  return {
    kind: 'remote',
    name,
    server: { ...parseHostPort(filespec.slice(at + 1)), secure: false },
  };
}

/** Reads a server specification. Throws ERR_BADHOST. */
export function parseServer(server: string): ServerAddress {
  requireText(server, 'a server');
  const url = URL_FORM.exec(server);
  if (url === null) return { ...parseHostPort(server), secure: false };
  const [, scheme = '', authority = '', name = ''] = url;
  requireSecureScheme(scheme, 'ERR_BADHOST');
  if (name !== '') {
    throw badHost(server, `a server has no file name; open "${name}" on the connection`);
  }
  return parseAuthority(authority);
}

function fromUrl(filespec: string, url: RegExpExecArray): Filespec {
  const [, scheme = '', authority = '', name = ''] = url;
  requireSecureScheme(scheme, 'ERR_FILSPC');
  const server = parseAuthority(authority);
  return { kind: 'remote', name: checkedName(unescapePercent(name, filespec), filespec), server };
}

function requireSecureScheme(scheme: string, code: 'ERR_FILSPC' | 'ERR_BADHOST'): void {
  if (scheme.toLowerCase() === 'rsynds') return;
  const why = `"${scheme}://" is not known; the URL form is rsynds://[user@]host[:port]/name`;
  throw new RsyndError(code, why, { subject: `${scheme}://` });
}

function parseAuthority(authority: string): ServerAddress {
  const at = authority.lastIndexOf('@');
  const server = { ...parseHostPort(authority.slice(at + 1)), secure: true };
  if (at < 0) return server;
  const user = authority.slice(0, at);
  if (user.includes(':')) {
    // URLs end up in logs and process lists; the rest of this one is not repeated for that reason.
    throw badHost(server.host, 'a URL must not hold a password; give it as the option `password`');
  }
  const decoded = unescapePercent(user, 'the user in the URL');
  if (decoded === '' || Buffer.byteLength(decoded) > userNameBytesMax) {
    throw badHost(server.host, `the user in the URL must have 1 to ${userNameBytesMax} bytes`);
  }
  return { ...server, user: decoded };
}

function parseHostPort(text: string): { host: string; port: number } {
  if (text.startsWith('[')) return parseBracketed(text);
  const colon = text.indexOf(':');
  if (colon !== text.lastIndexOf(':')) {
    throw badHost(text, 'an IPv6 address is written in brackets, [::1] or [::1]:2330');
  }
  const host = colon < 0 ? text : text.slice(0, colon);
  if (host === '') throw badHost(text, 'the host is missing; write name@host or name@host:port');
  const isName = HOST_CHARACTERS.test(host) && host.length <= hostBytesMax;
  if (!isName || domainToASCII(host) === '') throw badHost(host, 'that is no host name or address');
  return { host, port: colon < 0 ? DEFAULT_PORT : parsePort(text.slice(colon + 1), text) };
}

function parseBracketed(text: string): { host: string; port: number } {
  const match = /^\[([^\]]*)\](?::(.*))?$/s.exec(text);
  const host = match?.[1] ?? '';
  if (!isIPv6(host)) throw badHost(text, 'brackets hold an IPv6 address, as in [::1]:2330');
  const port = match?.[2];
  return { host, port: port === undefined ? DEFAULT_PORT : parsePort(port, text) };
}

function parsePort(text: string, server: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > portMax) {
    throw badHost(server, `the port "${text}" is not a number from 1 to ${portMax}`);
  }
  return port;
}

function checkedName(name: string, filespec: string): string {
  const fail = (why: string) => new RsyndError('ERR_FILSPC', why, { file: filespec.slice(0, 80) });
  if (name === '') throw fail('the file name is missing; write name@host, or a path');
  if (name.includes('\0')) throw fail('a name cannot hold a NUL character');
  if (Buffer.byteLength(name) > fileNameBytesMax) {
    throw fail(`the name has more than ${fileNameBytesMax} bytes`);
  }
  return name;
}

function unescapePercent(text: string, whole: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new RsyndError('ERR_FILSPC', `bad %-escape in "${whole}"`, { cause });
  }
}

function requireText(value: unknown, what: string): void {
  if (typeof value !== 'string')
    throw new TypeError(`${what} must be a string, not ${typeof value}`);
}

const badHost = (subject: string, why: string) =>
  new RsyndError('ERR_BADHOST', why, { subject: subject.slice(0, hostBytesMax) });
