// One section of an XDL text (FILE, RECORD or KEY n): its keywords, found and read as typed values. Every
// reader answers undefined for a keyword that was not stated and throws ERR_BADXDLF at the place of a
// value it cannot take. What values mean together is xdl.ts's business.

import { matchKeyword } from './keyword.js';
import { failXdl, type Place, type XdlStatement } from './xdl-lexer.js';

/** Stated of the file; old tools write some of them under RECORD, so both sections take them. */
const FILE_OR_RECORD = [
  'STATIC_RFA',
  'STORED_GRFA',
  'ERASE_ON_DELETE',
  'TRACK_CHANGES',
  'ROLLBACK',
  'PORT_INT',
] as const;

/** The keywords of each section. To add one: here, its reading in xdl.ts, its line in xdl-print.ts. */
export const XDL_KEYWORDS = {
  FILE: [
    'NAME',
    'ADDRESSING',
    'PAGE_SIZE',
    'KEYS',
    'NETWORK_ENCRYPT',
    'SIZE_LIMIT',
    'RECORD_LIMIT',
    'TEXT',
    'TEXT_ALLOCATION',
    'DENSITY',
    'RESILIENT',
    'FULLRESILIENT',
    ...FILE_OR_RECORD,
  ],
  RECORD: ['SIZE', 'FORMAT', 'COMPRESS_DATA', ...FILE_OR_RECORD],
  KEY: [
    'START',
    'LENGTH',
    'TYPE',
    'ORDER',
    'NAME',
    'DUPLICATES',
    'DUPLICATE_ORDER',
    'MODIFIABLE',
    'NULL',
    'VALUE_NULL',
    'DENSITY',
    'SEED',
  ],
} as const;

export type XdlSectionName = keyof typeof XDL_KEYWORDS;
export type XdlKeyword = (typeof XDL_KEYWORDS)[XdlSectionName][number];

const YES_NO: { readonly [word: string]: boolean } = { YES: true, NO: false };

export class XdlSection {
  readonly name: XdlSectionName;
  readonly at: Place;
  readonly #source: string;
  readonly #statements = new Map<XdlKeyword, XdlStatement>();

  constructor(name: XdlSectionName, at: Place, source: string) {
    this.name = name;
    this.at = at;
    this.#source = source;
  }

  /** Takes a statement of this section. Throws for an unknown, ambiguous or repeated keyword. */
  add(statement: XdlStatement): void {
    const match = matchKeyword(statement.word, XDL_KEYWORDS[this.name], `keywords of ${this.name}`);
    if (match.keyword === undefined) failXdl(this.#source, statement.at, match.why);
    const before = this.#statements.get(match.keyword);
    if (before !== undefined) {
      const why = `${match.keyword} is stated twice, first on line ${before.at.line}`;
      failXdl(this.#source, statement.at, why);
    }
    this.#statements.set(match.keyword, statement);
  }

  has(keyword: XdlKeyword): boolean {
    return this.#statements.has(keyword);
  }

  /** Throws at the keyword's place, or at the section's when it is not stated. */
  fail(keyword: XdlKeyword | undefined, why: string): never {
    const at = keyword === undefined ? undefined : this.#statements.get(keyword)?.valueAt;
    return failXdl(this.#source, at ?? this.at, why);
  }

  text(keyword: XdlKeyword): string | undefined {
    const statement = this.#stated(keyword);
    if (statement === undefined) return undefined;
    if (!statement.quoted && /\s/.test(statement.value)) {
      this.fail(keyword, `${keyword} takes one word; text with blanks needs quotes`);
    }
    return statement.value;
  }

  yesNo(keyword: XdlKeyword): boolean | undefined {
    return this.word(keyword, YES_NO);
  }

  number(keyword: XdlKeyword, min: number, max: number): number | undefined {
    const value = this.#stated(keyword)?.value;
    return value === undefined ? undefined : this.#toNumber(keyword, value, min, max);
  }

  oneOf<N extends number>(keyword: XdlKeyword, allowed: readonly N[]): N | undefined {
    const value = this.number(keyword, 0, Number.MAX_SAFE_INTEGER);
    if (value === undefined) return undefined;
    const found = allowed.find((number) => number === value);
    return found ?? this.fail(keyword, `${keyword} is one of ${allowed.join(', ')}, not ${value}`);
  }

  word<V>(keyword: XdlKeyword, meanings: { readonly [word: string]: V }): V | undefined {
    const value = this.#stated(keyword)?.value;
    return value === undefined ? undefined : this.#toMeaning(keyword, value, meanings);
  }

  /** One value per key segment, with `:` between. */
  words<V>(keyword: XdlKeyword, meanings: { readonly [word: string]: V }): V[] | undefined {
    const list = this.#stated(keyword)?.value.split(':');
    return list?.map((word) => this.#toMeaning(keyword, word.trim(), meanings));
  }

  numbers(keyword: XdlKeyword): number[] | undefined {
    const list = this.#stated(keyword)?.value.split(':');
    return list?.map((word) => this.#toNumber(keyword, word.trim(), 1, Number.MAX_SAFE_INTEGER));
  }

  /** `pos:len,pos:len`, positions from 1; answered from 0. */
  places(keyword: XdlKeyword): { offset: number; length: number }[] | undefined {
    const list = this.#stated(keyword)?.value.split(',');
    return list?.map((place) => {
      const [position = '', length = '', ...more] = place.trim().split(':');
      if (more.length > 0) this.fail(keyword, `${keyword} takes position:length, not "${place}"`);
      const start = this.#toNumber(keyword, position.trim(), 1, Number.MAX_SAFE_INTEGER);
      return { offset: start - 1, length: this.#toNumber(keyword, length.trim(), 1, 8) };
    });
  }

  #stated(keyword: XdlKeyword): XdlStatement | undefined {
    const statement = this.#statements.get(keyword);
    if (statement === undefined) return undefined;
    if (statement.value === '' && !statement.quoted) this.fail(keyword, `${keyword} has no value`);
    return statement;
  }

  #toNumber(keyword: XdlKeyword, word: string, min: number, max: number): number {
    const number = /^\d+$/.test(word) ? Number(word) : Number.NaN;
    if (number >= min && number <= max) return number;
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    return this.fail(keyword, `${keyword} takes a whole number ${range}, not "${word}"`);
  }

  #toMeaning<V>(keyword: XdlKeyword, word: string, meanings: { readonly [word: string]: V }): V {
    const match = matchKeyword(word, Object.keys(meanings), `values of ${keyword}`);
    const meaning = match.keyword === undefined ? undefined : meanings[match.keyword];
    if (meaning !== undefined) return meaning;
    return this.fail(keyword, match.keyword === undefined ? match.why : `bad ${keyword}`);
  }
}
