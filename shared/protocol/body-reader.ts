// Reads the fixed fields of a body in order, checking that each is there. Used by the codecs of
// binary messages; the bytes it gives are views into the body, or copies of one that was only lent.

import type { BodyPlace } from './frame.js';
import { violation } from './violation.js';
import { type WordSet, wordOfNumber } from './wire-word.js';

/** One per body. Every method throws ERR_PROTOCOL in the name of the message. */
export class BodyReader {
  /** Name of the message, for what is thrown. */
  readonly message: string;
  readonly #body: Buffer;
  readonly #end: number;
  readonly #isLent: boolean;
  #position: number;

  constructor(message: string, body: Buffer, place: BodyPlace) {
    this.message = message;
    this.#body = body;
    this.#position = place.start;
    this.#end = place.end;
    this.#isLent = place.isLent;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#end - this.#position;
  }

  u8(field: string): number {
    return this.#body[this.#advance(1, field)] ?? 0;
  }

  u32(field: string): number {
    return this.#body.readUInt32BE(this.#advance(4, field));
  }

  /** Eight bytes that hold a whole number up to 2^53 - 1. */
  u64(field: string): number {
    const value = this.u32(field) * 0x1_0000_0000 + this.u32(field);
    if (Number.isSafeInteger(value)) return value;
    throw violation(this.message, `${field} is above 2^53 - 1`);
  }

  /** One byte, 0 or 1. */
  flag(field: string): boolean {
    const byte = this.u8(field);
    if (byte > 1) throw violation(this.message, `${field} is ${byte}, it must be 0 or 1`);
    return byte === 1;
  }

  word<W extends string>(set: WordSet<W>): W {
    return wordOfNumber(set, this.u8(set.subject), this.message);
  }

  take(bytes: number, field: string): Buffer {
    const start = this.#advance(bytes, field);
    return this.#cut(start, start + bytes);
  }

  rest(): Buffer {
    const start = this.#position;
    this.#position = this.#end;
    return this.#cut(start, this.#end);
  }

  /** Throws when bytes are left: every codec reads its message to the end. */
  end(): void {
    if (this.left === 0) return;
    throw violation(this.message, `${this.left} bytes too many`);
  }

  /** The only way by which bytes leave: none of a lent body are in a message. */
  #cut(start: number, end: number): Buffer {
    if (!this.#isLent) return this.#body.subarray(start, end);
    const copy = Buffer.allocUnsafe(end - start);
    this.#body.copy(copy, 0, start, end);
    return copy;
  }

  #advance(bytes: number, field: string): number {
    const start = this.#position;
    if (start + bytes > this.#end) {
      throw violation(
        this.message,
        `ends within ${field}: ${this.left} of ${bytes} bytes are there`,
      );
    }
    this.#position = start + bytes;
    return start;
  }
}
