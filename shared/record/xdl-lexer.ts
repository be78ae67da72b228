// Cuts XDL text into statements, one keyword and its value each. A statement ends with its line or a `;`
// (XDL given as a string has no lines); `!` begins a comment. Knows quotes and places, no keywords.

import { RsyndError } from '../base/error.js';

/** 1-based place in the text, as editors count. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface XdlStatement {
  readonly word: string;
  readonly at: Place;
  /** Without its quotes; empty when none was given. */
  readonly value: string;
  readonly quoted: boolean;
  readonly valueAt: Place;
}

/** Throws ERR_BADXDLF for a place. `source` names the text in messages, mostly a file name. */
export function failXdl(source: string, at: Place, why: string): never {
  throw new RsyndError('ERR_BADXDLF', `${source} line ${at.line}, column ${at.column}: ${why}`, {
    file: source,
  });
}

const BLANK = /[^\S\n]/;
const STATEMENT_END = /[;!\n]/;

/** All statements of `text` in order. Throws ERR_BADXDLF for a string that is not closed. */
export function readXdlStatements(text: string, source: string): readonly XdlStatement[] {
  const lexer = new XdlLexer(text, source);
  const statements: XdlStatement[] = [];
  for (let next = lexer.next(); next !== undefined; next = lexer.next()) statements.push(next);
  return statements;
}

class XdlLexer {
  readonly #text: string;
  readonly #source: string;
  #index = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string, source: string) {
    this.#text = text.replace(/\r\n?/g, '\n').replace(/^\uFEFF/, '');
    this.#source = source;
  }

  next(): XdlStatement | undefined {
    this.#skipToStatement();
    if (this.#index >= this.#text.length) return undefined;
    const at = this.#place();
    const word = this.#takeWhile((char) => !BLANK.test(char) && !STATEMENT_END.test(char));
    this.#takeWhile((char) => BLANK.test(char));
    const valueAt = this.#place();
    const quote = this.#text[this.#index];
    if (quote === '"' || quote === "'") {
      const value = this.#takeString(quote, valueAt);
      this.#expectEnd();
      return { word, at, value, quoted: true, valueAt };
    }
    const value = this.#takeWhile((char) => !STATEMENT_END.test(char)).trimEnd();
    return { word, at, value, quoted: false, valueAt };
  }

  /** Blanks, empty statements and comments are between statements. */
  #skipToStatement(): void {
    for (;;) {
      this.#takeWhile((char) => char === ';' || /\s/.test(char));
      if (this.#text[this.#index] !== '!') return;
      this.#takeWhile((char) => char !== '\n');
    }
  }

  /** A quote inside is written twice. Strings may go over lines: header text does. */
  #takeString(quote: string, at: Place): string {
    let value = '';
    this.#index++;
    for (;;) {
      value += this.#takeWhile((char) => char !== quote);
      if (this.#index >= this.#text.length) failXdl(this.#source, at, 'the string is not closed');
      this.#index++;
      if (this.#text[this.#index] !== quote) return value;
      value += quote;
      this.#index++;
    }
  }

  #expectEnd(): void {
    this.#takeWhile((char) => BLANK.test(char));
    const char = this.#text[this.#index];
    if (char === undefined || STATEMENT_END.test(char)) return;
    const at = this.#place();
    const rest = this.#takeWhile((next) => !STATEMENT_END.test(next)).trimEnd();
    failXdl(this.#source, at, `"${rest}" follows the closing quote, a comment begins with !`);
  }

  #takeWhile(wanted: (char: string) => boolean): string {
    const start = this.#index;
    for (let char = this.#text[start]; char !== undefined && wanted(char); ) {
      this.#index++;
      if (char === '\n') {
        this.#line++;
        this.#lineStart = this.#index;
      }
      char = this.#text[this.#index];
    }
    return this.#text.slice(start, this.#index);
  }

  #place(): Place {
    return { line: this.#line, column: this.#index - this.#lineStart + 1 };
  }
}
