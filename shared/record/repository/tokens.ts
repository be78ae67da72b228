// Cuts repository text (Synergy Data Language) into words, strings and punctuation. `;` begins a comment.
// The language is free-form, but a definition begins on a line of its own, so tokens know whether they are
// the first of their line and how far it is indented.

import { RsyndError } from '../../base/error.js';
import type { Place } from './model.js';

export interface Token {
  readonly kind: 'word' | 'string' | 'mark';
  /** Strings without their quotes. */
  readonly text: string;
  /** Upper case, for comparing. */
  readonly upper: string;
  readonly at: Place;
  readonly startsLine: boolean;
}

/** Throws ERR_BADDEF for a place in the text. */
export function failRepository(source: string, at: Place, why: string): never {
  throw new RsyndError('ERR_BADDEF', `${source} line ${at.line}, column ${at.column}: ${why}`, {
    file: source,
  });
}

const TOKEN = /"((?:[^"\n]|"")*)"|'((?:[^'\n]|'')*)'|([,:])|([^\s,:;"']+)|(;.*)|(\S)/g;

/** All tokens in order. Throws ERR_BADDEF for a string that its line does not close. */
export function readTokens(text: string, source: string): readonly Token[] {
  const tokens: Token[] = [];
  text.split(/\r\n|\r|\n/).forEach((content, index) => {
    let startsLine = true;
    for (const match of content.matchAll(TOKEN)) {
      const [whole, doubly, singly, mark, word, comment] = match;
      if (comment !== undefined) break;
      const at = { line: index + 1, column: match.index + 1 };
      const string = doubly?.replaceAll('""', '"') ?? singly?.replaceAll("''", "'");
      const text = string ?? mark ?? word;
      if (text === undefined) failRepository(source, at, `${whole} opens a string nobody closes`);
      const kind = string !== undefined ? 'string' : mark !== undefined ? 'mark' : 'word';
      tokens.push({ kind, text, upper: text.toUpperCase(), at, startsLine });
      startsLine = false;
    }
  });
  return tokens;
}

/** Reads tokens one after the other; `end` stands behind the last of them for messages. */
export class TokenReader {
  readonly source: string;
  readonly #tokens: readonly Token[];
  readonly #end: Place;
  #index = 0;

  constructor(tokens: readonly Token[], source: string, end: Place) {
    this.#tokens = tokens;
    this.source = source;
    this.#end = end;
  }

  peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#index + ahead];
  }

  take(): Token | undefined {
    const token = this.#tokens[this.#index];
    if (token !== undefined) this.#index++;
    return token;
  }

  /** Takes the next token when it is this word. */
  takeWord(...words: readonly string[]): boolean {
    const matches = words.every((word, ahead) => {
      const token = this.peek(ahead);
      return token?.kind === 'word' && token.upper === word;
    });
    if (matches) this.#index += words.length;
    return matches;
  }

  word(what: string): Token {
    const token = this.peek();
    if (token?.kind === 'word') return this.take() ?? token;
    return this.fail(`${what} is missing${token === undefined ? '' : ` before "${token.text}"`}`);
  }

  string(what: string): string {
    const token = this.peek();
    if (token?.kind === 'string') return this.take()?.text ?? '';
    return this.fail(`${what} is missing, it is a string in quotes`);
  }

  number(what: string, min = 0): number {
    const token = this.word(what);
    const number = /^\d+$/.test(token.text) ? Number(token.text) : Number.NaN;
    if (number >= min) return number;
    return this.failAt(
      token.at,
      `${what} is a whole number of at least ${min}, not "${token.text}"`,
    );
  }

  /** One of some words, answered with its meaning. */
  meaning<V>(what: string, meanings: { readonly [word: string]: V }): V {
    const token = this.word(what);
    const meaning = meanings[token.upper];
    if (meaning !== undefined) return meaning;
    const known = Object.keys(meanings).join(', ');
    return this.failAt(token.at, `${what} is one of ${known}, not "${token.text}"`);
  }

  /** Throws at the next token. */
  fail(why: string): never {
    return this.failAt(this.peek()?.at ?? this.#end, why);
  }

  failAt(at: Place, why: string): never {
    return failRepository(this.source, at, why);
  }
}
