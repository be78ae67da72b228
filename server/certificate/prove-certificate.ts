// Proves that a certificate works before anybody depends on it: the TLS library takes an EC certificate
// with an RSA key without a word and then fails every connection. So the key is checked, and one real
// handshake is made in-process, without a port.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { duplexPair } from 'node:stream';
import { connect, createSecureContext, type SecureContextOptions, TLSSocket } from 'node:tls';
import { RsyndError } from '../../shared/base/error.js';
import { certificateProofMs } from '../../shared/base/limits.js';

/** Options of a server's context: the policy of its level and one key with its chain. */
export type ServerContextOptions = SecureContextOptions & {
  readonly key: string;
  readonly cert: string;
};

/** What the handshake negotiated. */
export interface CertificateProof {
  readonly protocol: string;
  readonly cipher: string;
}

/**
 * Makes one handshake with these options at both ends.
 * @throws RsyndError ERR_TLSCONF with the TLS library's reason in `cause`.
 */
export async function proveCertificate(
  options: ServerContextOptions,
  source = 'certificate',
): Promise<CertificateProof> {
  try {
    checkKeyBelongs(options);
    return await shakeHands(options);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RsyndError('ERR_TLSCONF', `${source}: a trial handshake failed: ${reason}`, {
      file: source,
      cause,
    });
  }
}

function checkKeyBelongs({ cert, key }: ServerContextOptions): void {
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    throw new Error('the private key does not belong to the certificate');
  }
}

async function shakeHands(options: ServerContextOptions): Promise<CertificateProof> {
  const [near, far] = duplexPair();
  const secureContext = createSecureContext(options);
  const server = new TLSSocket(near, { isServer: true, secureContext });
  const { minVersion, maxVersion, ciphers } = options;
  // Nothing is trusted here and nothing is sent: only whether the handshake comes to its end counts.
  const client = connect({
    socket: far,
    rejectUnauthorized: false,
    ...(minVersion && { minVersion }),
    ...(maxVersion && { maxVersion }),
    ...(ciphers && { ciphers }),
  });
  const expire = (): unknown => client.destroy(new Error('it did not end in time'));
  const timer = setTimeout(expire, certificateProofMs);
  try {
    await Promise.all([secured(server, 'secure'), secured(client, 'secureConnect')]);
    return { protocol: client.getProtocol() ?? '', cipher: client.getCipher().name };
  } finally {
    clearTimeout(timer);
    client.destroy();
    server.destroy();
  }
}

function secured(socket: TLSSocket, event: string): Promise<void> {
  return new Promise((fulfil, reject) => {
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.once(event, () => fulfil());
  });
}
