// The cipher an encrypted private key is encrypted with, for the message that it is not supported. Looks for the
// identifiers of known ciphers in the bytes; only called when a key could not be read.

/** DER of object identifiers -> the name openssl knows the cipher by. */
const CIPHERS: readonly (readonly [identifier: string, name: string])[] = [
  ['06052b0e030207', 'des-cbc'],
  ['060b2b06010401813c07010102', 'idea-cbc'],
  ['06082a864886f70d0302', 'rc2-cbc'],
  ['06082a864886f70d0304', 'rc4'],
  ['06092a864886f70d010501', 'pbeWithMD2AndDES-CBC'],
  ['06092a864886f70d010503', 'pbeWithMD5AndDES-CBC'],
  ['06092a864886f70d01050a', 'pbeWithSHA1AndDES-CBC'],
  ['06092a864886f70d010506', 'pbeWithMD5AndRC2-CBC'],
  ['06092a864886f70d01050b', 'pbeWithSHA1AndRC2-CBC'],
  ['060a2a864886f70d010c0101', 'pbeWithSHA1And128BitRC4'],
  ['060a2a864886f70d010c0102', 'pbeWithSHA1And40BitRC4'],
  ['060a2a864886f70d010c0105', 'pbeWithSHA1And128BitRC2-CBC'],
  ['060a2a864886f70d010c0106', 'pbeWithSHA1And40BitRC2-CBC'],
  ['06082a83088c9a4b3d010101', 'camellia-128-cbc'],
  ['060b2a83088c9a4b3d01010104', 'camellia-256-cbc'],
];

/** Ciphers that keys of openssl use and that its present releases can read. */
const SUPPORTED = /^(aes-(128|192|256)|des-ede3)-/i;

/** `des-cbc`, `idea-cbc`…; undefined when it is a supported or an unknown one. */
export function unsupportedCipherOf(keyPem: string): string | undefined {
  const [, traditional] = /^DEK-Info: ([\w-]+)/m.exec(keyPem) ?? [];
  if (traditional !== undefined) {
    return SUPPORTED.test(traditional) ? undefined : traditional.toLowerCase();
  }
  const body = keyPem.replace(/-----[^-]+-----|\s/g, '');
  const bytes = Buffer.from(body, 'base64').toString('hex');
  return CIPHERS.find(([identifier]) => bytes.includes(identifier))?.[1];
}
