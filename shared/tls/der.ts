// Walks DER without building anything from it: revocation lists have hundreds of thousands of entries, for which
// a general ASN.1 library takes seconds in which nothing else runs. Definite lengths and one-byte tags only.
//
//     element   tag 1 | length 1 (below 0x80), or 0x80 + n and n bytes | content

/** One element: its tag, its content, and the whole of it. */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  readonly whole: Buffer;
}

export const DER = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  explicit0: 0xa0,
} as const;

/** The elements that fill `bytes`, one after another. Throws RangeError where they do not. */
export function* derElements(bytes: Buffer): Generator<DerElement> {
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes.readUInt8(at);
    if ((tag & 0x1f) === 0x1f) throw new RangeError('a tag of several bytes');
    const first = bytes.readUInt8(at + 1);
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    if (first === 0x80 || lengthBytes > 4) throw new RangeError('a length of no use');
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
    const from = at + 2 + lengthBytes;
    const end = from + length;
    if (end > bytes.length) throw new RangeError('past the end');
    yield { tag, content: bytes.subarray(from, end), whole: bytes.subarray(at, end) };
    at = end;
  }
}

/** Reads the children of one element in their order. */
export class DerReader {
  readonly #elements: DerElement[];

  constructor(content: Buffer) {
    this.#elements = [...derElements(content)];
  }

  /** The next one, when it has one of these tags. */
  optional(...tags: readonly number[]): DerElement | undefined {
    const [next] = this.#elements;
    return next !== undefined && tags.includes(next.tag) ? this.#elements.shift() : undefined;
  }

  /** The next one; throws RangeError when it is another, or none. */
  required(...tags: readonly number[]): DerElement {
    const next = this.optional(...tags);
    if (next === undefined) throw new RangeError('another element was expected');
    return next;
  }

  /** Throws RangeError when anything is left. */
  end(): void {
    if (this.#elements.length > 0) throw new RangeError('more elements than expected');
  }
}

const TIME = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/;

/** UTCTime or GeneralizedTime, as RFC 5280 has them: seconds and Z. Throws RangeError. */
export function derTime({ tag, content }: DerElement): Date {
  const [, year = '', ...rest] = TIME.exec(content.toString('latin1')) ?? [];
  const isShort = tag === DER.utcTime;
  if (year.length !== (isShort ? 2 : 4)) throw new RangeError('no time');
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = rest.map(Number);
  const full = isShort ? Number(year) + (Number(year) < 50 ? 2000 : 1900) : Number(year);
  return new Date(Date.UTC(full, month - 1, day, hour, minute, second));
}

/** `2.5.29.21` of an object identifier's content. */
export function derObjectId(content: Buffer): string {
  const numbers: number[] = [];
  let number = 0;
  for (const byte of content) {
    number = number * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    numbers.push(number);
    number = 0;
  }
  const [first = 0, ...others] = numbers;
  const top = Math.min(Math.floor(first / 40), 2);
  return [top, first - 40 * top, ...others].join('.');
}
