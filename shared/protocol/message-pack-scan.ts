// Looks over the MessagePack of a control message before anything is decoded: a small frame can ask
// a decoder for gigabytes. Walks the bytes once, without recursion and without making values.
//
// Taken: nil, booleans, integers, floats, UTF-8 text, arrays, and maps whose keys are distinct
// texts. Refused: binary, extensions, 0xc1, more depth or elements than the limits, and bytes
// behind the value. An entry of a map counts as one element.

import { isUtf8 } from 'node:buffer';
import { messageDepthMax, messageElementsMax } from '../base/limits.js';

/** What a first byte announces. */
type Kind = 'scalar' | 'text' | 'array' | 'map' | 'refused';

/** An open container: how many values are still to come, and for a map the keys it has had. */
interface Level {
  left: number;
  readonly keys: Set<string> | undefined;
}

/** First bytes from 0xc0 on: kind, and bytes of the value (scalar) or of its count (others). */
const HEADS: readonly (readonly [Kind, number])[] = [
  ['scalar', 0], // c0 nil
  ['refused', 0], // c1 never used
  ['scalar', 0], // c2 false
  ['scalar', 0], // c3 true
  ['refused', 0], // c4 bin 8
  ['refused', 0], // c5 bin 16
  ['refused', 0], // c6 bin 32
  ['refused', 0], // c7 ext 8
  ['refused', 0], // c8 ext 16
  ['refused', 0], // c9 ext 32
  ['scalar', 4], // ca float 32
  ['scalar', 8], // cb float 64
  ['scalar', 1], // cc unsigned 8
  ['scalar', 2], // cd unsigned 16
  ['scalar', 4], // ce unsigned 32
  ['scalar', 8], // cf unsigned 64
  ['scalar', 1], // d0 signed 8
  ['scalar', 2], // d1 signed 16
  ['scalar', 4], // d2 signed 32
  ['scalar', 8], // d3 signed 64
  ['refused', 0], // d4 fixext 1
  ['refused', 0], // d5 fixext 2
  ['refused', 0], // d6 fixext 4
  ['refused', 0], // d7 fixext 8
  ['refused', 0], // d8 fixext 16
  ['text', 1], // d9 str 8
  ['text', 2], // da str 16
  ['text', 4], // db str 32
  ['array', 2], // dc array 16
  ['array', 4], // dd array 32
  ['map', 2], // de map 16
  ['map', 4], // df map 32
];

/** Throws what `refuse` makes of a fault unless the bytes are one message that may be decoded. */
export function scanMessagePack(bytes: Buffer, refuse: (fault: string) => Error): void {
  new Scan(bytes, refuse).run();
}

class Scan {
  readonly #bytes: Buffer;
  readonly #refuse: (fault: string) => Error;
  #position = 0;
  #elements = 0;
  /** Open containers, the outermost first. */
  readonly #levels: Level[] = [];

  constructor(bytes: Buffer, refuse: (fault: string) => Error) {
    this.#bytes = bytes;
    this.#refuse = refuse;
  }

  run(): void {
    do {
      this.#enterValue();
      this.#readValue();
      while (this.#levels.at(-1)?.left === 0) this.#levels.pop();
    } while (this.#levels.length > 0);
    const left = this.#bytes.length - this.#position;
    if (left > 0) throw this.#refuse(`${left} bytes too many`);
  }

  /** Counts the value that comes, and reads its key when it is an entry of a map. */
  #enterValue(): void {
    this.#elements++;
    const level = this.#levels.at(-1);
    if (level === undefined) return;
    level.left--;
    if (level.keys !== undefined) this.#readKey(level.keys);
  }

  #readValue(): void {
    const { kind, count } = this.#readHead();
    if (kind === 'scalar') this.#skip(count);
    else if (kind === 'text') this.#readText(count);
    else if (kind === 'refused') throw this.#refuse('holds a type that messages do not use');
    else this.#openLevel(kind, count);
  }

  #readKey(keys: Set<string>): void {
    const { kind, count } = this.#readHead();
    if (kind !== 'text') throw this.#refuse('a map has a key that is no text');
    const key = this.#readText(count).toString('latin1');
    if (key === '__proto__') throw this.#refuse('a map has the key __proto__');
    if (keys.has(key)) throw this.#refuse('a map has one key twice');
    keys.add(key);
  }

  /** `count`: bytes of a scalar or text, entries of a container. */
  #readHead(): { kind: Kind; count: number } {
    const first = this.#skip(1)[0] ?? 0;
    if (first < 0x80 || first >= 0xe0) return { kind: 'scalar', count: 0 };
    if (first < 0x90) return { kind: 'map', count: first & 0x0f };
    if (first < 0xa0) return { kind: 'array', count: first & 0x0f };
    if (first < 0xc0) return { kind: 'text', count: first & 0x1f };
    const [kind, bytes] = HEADS[first - 0xc0] ?? ['refused', 0];
    if (kind === 'scalar' || kind === 'refused') return { kind, count: bytes };
    return { kind, count: this.#skip(bytes).readUIntBE(0, bytes) };
  }

  #readText(bytes: number): Buffer {
    const text = this.#skip(bytes);
    if (!isUtf8(text)) throw this.#refuse('holds text that is no UTF-8');
    return text;
  }

  #openLevel(kind: 'array' | 'map', count: number): void {
    if (this.#levels.length === messageDepthMax) {
      throw this.#refuse(`is nested deeper than ${messageDepthMax}`);
    }
    if (this.#elements + count > messageElementsMax) {
      throw this.#refuse(`has more than ${messageElementsMax} elements`);
    }
    if (count > this.#bytes.length - this.#position) throw this.#refuse('ends within a value');
    this.#levels.push({ left: count, keys: kind === 'map' ? new Set() : undefined });
  }

  #skip(bytes: number): Buffer {
    const start = this.#position;
    if (start + bytes > this.#bytes.length) throw this.#refuse('ends within a value');
    this.#position = start + bytes;
    return this.#bytes.subarray(start, this.#position);
  }
}
