// Asks a TLS port what it serves: protocol by protocol, cipher by cipher, by handshakes as clients make
// them. Used by `audit tls` and `dltest`. It trusts nothing and sends no byte of the protocol above TLS;
// what it finds are facts, judged elsewhere.

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, isIP } from 'node:net';
import { connect, getCiphers, type SecureVersion, type TLSSocket } from 'node:tls';
import { probeHandshakeMs } from '../../shared/base/limits.js';

export const PROTOCOLS = [
  'TLSv1',
  'TLSv1.1',
  'TLSv1.2',
  'TLSv1.3',
] as const satisfies SecureVersion[];
export type Protocol = (typeof PROTOCOLS)[number];

export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
  /** Name to ask for. @default the host, unless that is an address */
  readonly servername?: string;
}

/** What a port was seen to do. */
export interface TlsFacts {
  /** Cipher suites taken, by protocol, by OpenSSL's names; a protocol without any is not served. */
  readonly ciphers: Readonly<Record<Protocol, readonly string[]>>;
  /** Leaf first, as sent. Empty when no handshake came to its end. */
  readonly chain: readonly X509Certificate[];
  /** The suite is the server's choice, not the client's. Undefined with fewer than two suites. */
  readonly prefersOwnOrder: boolean | undefined;
  /** A client's renegotiation on TLS 1.2; undefined when that is not served. */
  readonly renegotiates: boolean | undefined;
}

/** OpenSSL's words for everything there is, so that nothing stays unasked. */
const EVERYTHING = 'ALL:COMPLEMENTOFALL:@SECLEVEL=0';
const TLS13_SUITE = /^TLS_/;

/** Probes one port. Rejects only when nobody listens there. */
export async function probeTls(target: ProbeTarget): Promise<TlsFacts> {
  await knock(target);
  const ciphers = {} as Record<Protocol, readonly string[]>;
  for (const protocol of PROTOCOLS) ciphers[protocol] = await suitesOf(target, protocol);
  return {
    ciphers,
    chain: await chainOf(target),
    prefersOwnOrder: await prefersOwnOrder(target, ciphers['TLSv1.2']),
    renegotiates: ciphers['TLSv1.2'].length === 0 ? undefined : await renegotiates(target),
  };
}

/** The certificates a port presents, leaf first; empty when it has no TLS. Rejects when nobody listens. */
export async function fetchChain(target: ProbeTarget): Promise<X509Certificate[]> {
  await knock(target);
  return chainOf(target);
}

async function knock({ host, port }: ProbeTarget): Promise<void> {
  const probe = connectTcp(port, host);
  probe.setTimeout(probeHandshakeMs, () => probe.destroy(new Error('it does not answer')));
  await once(probe, 'connect');
  probe.destroy();
}

/** One protocol is asked with everything first: most are not served at all. */
async function suitesOf(target: ProbeTarget, protocol: Protocol): Promise<string[]> {
  if ((await negotiated(target, protocol, EVERYTHING)) === undefined) return [];
  const taken: string[] = [];
  for (const suite of candidates(protocol)) {
    if ((await negotiated(target, protocol, suite)) === suite) taken.push(suite);
  }
  return taken;
}

/** TLS 1.3 has names of its own; for the older ones all others are tried. */
const candidates = (protocol: Protocol): string[] =>
  getCiphers()
    .map((name) => name.toUpperCase())
    .filter((name) => TLS13_SUITE.test(name) === (protocol === 'TLSv1.3'));

/** The cipher a handshake with these settings comes to; undefined when it fails. */
async function negotiated(
  target: ProbeTarget,
  protocol: Protocol,
  ciphers: string,
): Promise<string | undefined> {
  const isNewest = protocol === 'TLSv1.3';
  const socket = await shake(target, protocol, isNewest ? ciphers : `${ciphers}:@SECLEVEL=0`);
  const name = socket?.getCipher().name;
  socket?.destroy();
  return name;
}

async function chainOf(target: ProbeTarget): Promise<X509Certificate[]> {
  for (const protocol of [...PROTOCOLS].reverse()) {
    const socket = await shake(target, protocol, EVERYTHING);
    if (socket === undefined) continue;
    const chain: X509Certificate[] = [];
    let next = socket.getPeerCertificate(true);
    while (next.raw !== undefined && !chain.some((each) => each.raw.equals(next.raw))) {
      chain.push(new X509Certificate(next.raw));
      next = next.issuerCertificate ?? {};
    }
    socket.destroy();
    return chain;
  }
  return [];
}

/** Offers two suites in both orders: who has an order of his own takes the same one twice. */
async function prefersOwnOrder(
  target: ProbeTarget,
  suites: readonly string[],
): Promise<boolean | undefined> {
  const [one, other] = suites;
  if (one === undefined || other === undefined) return undefined;
  const first = await negotiated(target, 'TLSv1.2', `${one}:${other}`);
  return first === (await negotiated(target, 'TLSv1.2', `${other}:${one}`));
}

async function renegotiates(target: ProbeTarget): Promise<boolean> {
  const socket = await shake(target, 'TLSv1.2', EVERYTHING);
  if (socket === undefined) return false;
  try {
    return await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), probeHandshakeMs);
      const answer = (done: boolean): void => {
        clearTimeout(timer);
        resolve(done);
      };
      socket.on('close', () => answer(false));
      socket.renegotiate({ rejectUnauthorized: false }, (error) => answer(error === null));
    });
  } finally {
    socket.destroy();
  }
}

/** A finished handshake, or undefined however it failed. */
function shake(
  { host, port, servername = host }: ProbeTarget,
  protocol: Protocol,
  ciphers: string,
): Promise<TLSSocket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      ...(isIP(servername) === 0 ? { servername } : {}),
      minVersion: protocol,
      maxVersion: protocol,
      ciphers,
      // Trust is not the question: the certificate is looked at, whoever issued it.
      rejectUnauthorized: false,
    });
    const timer = setTimeout(() => socket.destroy(), probeHandshakeMs);
    socket.on('error', () => resolve(undefined));
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
    socket.once('secureConnect', () => resolve(socket));
  });
}
