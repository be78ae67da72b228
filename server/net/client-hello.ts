// Collects the first message of a TLS client and reads from it what a refusal must name: the versions it
// offered, whom it asked for, how many ciphers. Nothing is given to the TLS library before this message
// is whole, because half a handshake in the library costs 66 KiB and here only its own bytes. It decides
// nothing: what is not understood is left to the library, which answers with the right alert.
//
//     record     0x16 | version 2 | length 2 | fragment        a message may span several records
//     message    0x01 | length 3  | body
//     body       version 2 | random 32 | session <1> | ciphers <2> | compression <1> | extensions <2>
//     extension  type 2 | <2>            <n>: a vector behind its length in n bytes

/** First byte of every TLS connection: a handshake record. */
export const HANDSHAKE_RECORD = 0x16;

/** What a client offered. */
export interface OfferedTls {
  /** `TLSv1.3`, `TLSv1.2`…; of clients that send no list (before TLS 1.3) only the highest is known. */
  readonly versions: readonly string[];
  readonly serverName?: string;
  /** Without the entries that are signals and no ciphers. */
  readonly cipherCount: number;
}

/** `other`: no ClientHello at all, or one cut in a way no client does. */
export type HelloProgress = 'more' | 'whole' | 'too large' | 'other';

const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
const CLIENT_HELLO = 0x01;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_SUPPORTED_VERSIONS = 43;
/** Not ciphers: secure renegotiation (RFC 5746) and fallback (RFC 7507). */
const SIGNALLING_SUITES: ReadonlySet<number> = new Set([0x00ff, 0x5600]);
const VERSION_NAMES: ReadonlyMap<number, string> = new Map([
  [0x0300, 'SSLv3'],
  [0x0301, 'TLSv1'],
  [0x0302, 'TLSv1.1'],
  [0x0303, 'TLSv1.2'],
  [0x0304, 'TLSv1.3'],
]);

/** Takes the bytes of one connection until its ClientHello is whole. */
export class ClientHelloReader {
  readonly #bytesMax: number;
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** All bytes so far, also those behind the message. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  push(chunk: Buffer): HelloProgress {
    this.#append(chunk);
    const message = messageOf(this.bytes);
    if (message === undefined) return 'other';
    if (message.length >= MESSAGE_HEADER_BYTES) {
      const whole = MESSAGE_HEADER_BYTES + message.readUIntBE(1, 3);
      if (message[0] !== CLIENT_HELLO) return 'other';
      if (whole > this.#bytesMax) return 'too large';
      if (message.length >= whole) return 'whole';
    }
    return this.#length > this.#bytesMax ? 'too large' : 'more';
  }

  /** What was offered; undefined when the message is not whole or not sound. */
  offered(): OfferedTls | undefined {
    const message = messageOf(this.bytes);
    if (message === undefined || message[0] !== CLIENT_HELLO) return undefined;
    try {
      return parseBody(new Cursor(new Cursor(message.subarray(1)).vector(3)));
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  // Doubles, so that a client that sends byte by byte costs no more than one that does not.
  #append(chunk: Buffer): void {
    const needed = this.#length + chunk.length;
    if (this.#length === 0) {
      this.#buffer = chunk;
    } else if (needed > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(needed, 2 * this.#buffer.length));
      this.bytes.copy(grown);
      chunk.copy(grown, this.#length);
      this.#buffer = grown;
    } else {
      chunk.copy(this.#buffer, this.#length);
    }
    this.#length = needed;
  }
}

// The handshake bytes of all records so far, or undefined when a record is of another kind.
function messageOf(bytes: Buffer): Buffer | undefined {
  const fragments: Buffer[] = [];
  let at = 0;
  while (at < bytes.length && !isWholeMessage(fragments)) {
    if (bytes[at] !== HANDSHAKE_RECORD) return undefined;
    if (bytes.length < at + RECORD_HEADER_BYTES) break;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0) return undefined;
    at += RECORD_HEADER_BYTES;
    fragments.push(bytes.subarray(at, at + length));
    at += length;
  }
  return fragments.length === 1 ? fragments[0] : Buffer.concat(fragments);
}

function isWholeMessage(fragments: readonly Buffer[]): boolean {
  const [first] = fragments;
  if (first === undefined || first.length < MESSAGE_HEADER_BYTES) return false;
  const have = fragments.reduce((sum, fragment) => sum + fragment.length, 0);
  return have >= MESSAGE_HEADER_BYTES + first.readUIntBE(1, 3);
}

function parseBody(body: Cursor): OfferedTls {
  const highest = body.number(2);
  body.take(32);
  body.vector(1);
  const suites = numbersIn(body.vector(2)).filter(isCipher);
  body.vector(1);
  const extensions = body.isAtEnd ? new Map<number, Buffer>() : parseExtensions(body.vector(2));
  const listed = extensions.get(EXTENSION_SUPPORTED_VERSIONS);
  const serverName = parseServerName(extensions.get(EXTENSION_SERVER_NAME));
  const versions = listed === undefined ? [highest] : numbersIn(new Cursor(listed).vector(1));
  return {
    versions: versions.filter((version) => !isReserved(version)).map(versionName),
    cipherCount: suites.length,
    ...(serverName !== undefined && { serverName }),
  };
}

function parseExtensions(bytes: Buffer): Map<number, Buffer> {
  const extensions = new Map<number, Buffer>();
  const cursor = new Cursor(bytes);
  while (!cursor.isAtEnd) extensions.set(cursor.number(2), cursor.vector(2));
  return extensions;
}

function numbersIn(bytes: Buffer): number[] {
  const list = new Cursor(bytes);
  const numbers: number[] = [];
  while (!list.isAtEnd) numbers.push(list.number(2));
  return numbers;
}

// Clients mix in reserved values like 0x3a3a (GREASE, RFC 8701) to keep servers tolerant.
const isReserved = (value: number): boolean => (value & 0x0f0f) === 0x0a0a;

const isCipher = (suite: number): boolean => !isReserved(suite) && !SIGNALLING_SUITES.has(suite);

const versionName = (version: number): string =>
  VERSION_NAMES.get(version) ?? `0x${version.toString(16).padStart(4, '0')}`;

// It goes into a log, so only what a host name may consist of is taken.
function parseServerName(bytes: Buffer | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const list = new Cursor(new Cursor(bytes).vector(2));
  list.take(1);
  const name = list.vector(2).toString('latin1');
  return /^[\w.-]{1,253}$/.test(name) ? name : undefined;
}

/** Reads forward; throws RangeError past the end. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  take(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw new RangeError('past the end of the ClientHello');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  number(bytes: number): number {
    return this.take(bytes).readUIntBE(0, bytes);
  }

  vector(lengthBytes: number): Buffer {
    return this.take(this.number(lengthBytes));
  }
}
