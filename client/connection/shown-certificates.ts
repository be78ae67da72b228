// The certificates that a server showed in its handshake. Read once a connection, because reading them changes what
// node:tls has to show afterwards; the pin and the revocation check both go by what was read here.

import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from 'node:tls';
import { presentedCertificatesMax } from '../../shared/base/limits.js';

/**
 * The server's own certificate first, then what was sent with it in that order, then what the library found above
 * it among those it trusts; duplicates stay. Empty when there is none.
 */
export function readShownCertificates(socket: TLSSocket): X509Certificate[] {
  // In this order: in a client getPeerX509Certificate takes the certificates out of the session (Node 20.20), and
  // a second call of either finds none.
  const found = foundBy(socket);
  return [...sentOver(socket), ...found];
}

function sentOver(socket: TLSSocket): X509Certificate[] {
  const sent: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && sent.length < presentedCertificatesMax) {
    sent.push(next);
    next = next.issuerCertificate;
  }
  return sent;
}

function foundBy(socket: TLSSocket): X509Certificate[] {
  const found: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (next?.raw !== undefined && found.length < presentedCertificatesMax) {
    found.push(new X509Certificate(next.raw));
    if (next.issuerCertificate === next) break; // a root is its own issuer
    next = next.issuerCertificate;
  }
  return found;
}

/** When a certificate ends, and each one above it that node:tls found it good by: milliseconds since 1970. */
export function endsOf(certificate: PeerCertificate): number[] {
  const ends: number[] = [];
  let next: PeerCertificate | undefined = certificate;
  while (next !== undefined && ends.length < presentedCertificatesMax) {
    ends.push(Date.parse(next.valid_to));
    const above = issuerOf(next);
    next = above === next ? undefined : above; // a root is its own issuer
  }
  return ends;
}

const issuerOf = (
  certificate: PeerCertificate & Partial<DetailedPeerCertificate>,
): PeerCertificate | undefined => certificate.issuerCertificate;
