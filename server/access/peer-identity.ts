// Who the other end of a connection proved to be by its certificate. Made in net/ after the certificate
// was judged; login.ts maps it to a user. Facts only: nothing here says what it may do.

/** A certificate that was judged good. */
export interface PeerIdentity {
  /** SHA-256 of the certificate, 64 hex digits in lower case. */
  readonly fingerprint: string;
  /** RFC 4514 text, most specific part first: `CN=alice,O=Acme`. */
  readonly subject: string;
  readonly issuer: string;
  /** Serial number in hex, upper case, as openssl prints it. */
  readonly serial: string;
  /** `dns:alice.example`, `email:alice@example`, `uri:…`, `ip:…`: the subject alternative names. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. */
  readonly notAfter: number;
}

/** What somebody offers at login. */
export interface Credentials {
  /** The name claimed. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Network address of the peer, for back-off; empty for callers of this process. */
  readonly address: string;
  readonly identity?: PeerIdentity | undefined;
}
