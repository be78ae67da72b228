// Control messages: a MessagePack array of the fields in the order their grammar names them. Packs,
// unpacks and checks the type of every field. Used by the codecs of the verbs that are not hot.
//
//   body = array of exactly as many elements as the message has fields; an absent field is nil

import { Packr } from 'msgpackr';
import { RsyndError } from '../base/error.js';
import { scanMessagePack } from './message-pack-scan.js';
import { violation } from './violation.js';
import { type WordSet, wordOfNumber } from './wire-word.js';

const makePackr = (): Packr =>
  new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'number' });

/**
 * Packs the fields of a message. Throws ERR_INVARG for what no peer would take: text with lone
 * surrogates, undefined inside a map, too many elements.
 */
export function packControl(message: string, fields: readonly unknown[]): Buffer {
  const packed = makePackr().pack(fields);
  scanMessagePack(packed, (fault) => new RsyndError('ERR_INVARG', `${message}: ${fault}`));
  return packed;
}

/**
 * Unpacks an array of fields that has been looked over. Throws ERR_PROTOCOL in the name of
 * `message`.
 */
export function unpackControl(message: string, body: Buffer): ControlFields {
  scanMessagePack(body, (fault) => violation(message, fault));
  const fields: unknown = makePackr().unpack(body);
  if (!Array.isArray(fields)) throw violation(message, 'is not an array of fields');
  return new ControlFields(message, fields);
}

/** The fields of one message, taken one after another by type. Every method throws ERR_PROTOCOL. */
export class ControlFields {
  readonly #message: string;
  readonly #fields: readonly unknown[];
  #index = 0;

  constructor(message: string, fields: readonly unknown[]) {
    this.#message = message;
    this.#fields = fields;
  }

  /** The next field as it is, undefined for nil: for whoever checks it himself. */
  any(field: string): unknown {
    if (this.#index === this.#fields.length) throw violation(this.#message, `${field} is missing`);
    return this.#fields[this.#index++] ?? undefined;
  }

  text(field: string): string {
    return this.optionalText(field) ?? this.#refuse(field, 'is missing');
  }

  optionalText(field: string): string | undefined {
    const value = this.any(field);
    if (value === undefined || typeof value === 'string') return value;
    return this.#refuse(field, 'is no text');
  }

  /** A whole number from 0 to `max`. */
  count(field: string, max: number): number {
    return this.optionalCount(field, max) ?? this.#refuse(field, 'is missing');
  }

  optionalCount(field: string, max: number): number | undefined {
    const value = this.any(field);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      return this.#refuse(field, 'is no whole number');
    }
    if (value < 0 || value > max)
      return this.#refuse(field, `is ${value}, not within 0 and ${max}`);
    return value;
  }

  flag(field: string): boolean {
    const value = this.any(field);
    return typeof value === 'boolean' ? value : this.#refuse(field, 'is no boolean');
  }

  word<W extends string>(set: WordSet<W>): W {
    return wordOfNumber(set, this.count(set.subject, 255), this.#message);
  }

  /** Throws when fields are left: every codec reads its message to the end. */
  end(): void {
    const left = this.#fields.length - this.#index;
    if (left > 0) throw violation(this.#message, `${left} fields too many`);
  }

  #refuse(field: string, what: string): never {
    throw violation(this.#message, `${field} ${what}`);
  }
}
