// Cuts the tokens of a repository into its statements: `Field NAME Type ALPHA Size 30` with everything that
// belongs to it, over as many lines as it takes. A statement begins with its keyword at the start of a line.

import { nearestWord } from '../keyword.js';
import { failRepository, readTokens, type Token, TokenReader } from './tokens.js';

export const STATEMENT_WORDS = [
  'FORMAT',
  'ENUMERATION',
  'TEMPLATE',
  'STRUCTURE',
  'FIELD',
  'GROUP',
  'ENDGROUP',
  'KEY',
  'RELATION',
  'ALIAS',
  'TAG',
  'FILE',
] as const;

export type StatementWord = (typeof STATEMENT_WORDS)[number];

export interface Statement {
  readonly word: StatementWord;
  readonly token: Token;
  /** What follows the keyword. */
  readonly rest: TokenReader;
}

/** Words that begin a line inside of another statement although they could begin one. */
const CONTINUATIONS: { readonly [word in StatementWord]?: (next: readonly Token[]) => boolean } = {
  // A field's display format is a name; a format's definition goes on with its type.
  FORMAT: ([, type]) => type?.upper !== 'TYPE',
  TEMPLATE: ([, type]) => type?.upper !== 'TYPE' && type?.upper !== 'PARENT',
  // `File Text "…"` of a file.
  FILE: ([word]) => word?.upper === 'TEXT',
};

/** All statements in order. Throws ERR_BADDEF for text that belongs to none. */
export function readStatements(text: string, source: string): readonly Statement[] {
  const tokens = readTokens(text, source);
  const starts = [...tokens.keys()].filter((index) => startsStatement(tokens, index));
  const stray = tokens[0];
  if (stray !== undefined && starts[0] !== 0) failStray(source, stray);
  return starts.map((start, number) => {
    const end = starts[number + 1] ?? tokens.length;
    return makeStatement(tokens.slice(start, end), source, tokens[end]);
  });
}

function startsStatement(tokens: readonly Token[], index: number): boolean {
  const token = tokens[index];
  if (token?.kind !== 'word' || !token.startsLine) return false;
  const word = STATEMENT_WORDS.find((known) => known === token.upper);
  if (word === undefined) return false;
  const continues = CONTINUATIONS[word];
  return continues === undefined || index === 0 || !continues(tokens.slice(index + 1, index + 3));
}

function makeStatement(
  tokens: readonly Token[],
  source: string,
  next: Token | undefined,
): Statement {
  const [token, ...rest] = tokens;
  const word = STATEMENT_WORDS.find((known) => known === token?.upper);
  if (token === undefined || word === undefined) throw new TypeError('no statement starts here');
  for (const each of rest) refuseMisspelt(each, token, source);
  const end = next?.at ?? rest.at(-1)?.at ?? token.at;
  return { word, token, rest: new TokenReader(rest, source, end) };
}

/**
 * A line that begins as far left as its statement, or with almost a statement's keyword, is a misspelt
 * statement. Taking it for an attribute would lose a field.
 */
function refuseMisspelt(token: Token, statement: Token, source: string): void {
  if (token.kind !== 'word' || !token.startsLine) return;
  const isSegment = token.upper === 'SEGMENT' || token.upper === 'MEMBERS';
  if (isSegment || STATEMENT_WORDS.some((known) => known === token.upper)) return;
  const near = nearestWord(token.upper, STATEMENT_WORDS);
  const isOutdented = token.at.column <= statement.at.column;
  if (!isOutdented && (near === undefined || ATTRIBUTES_LIKE_STATEMENTS.has(token.upper))) return;
  failStray(source, token);
}

/** Attribute words a misspelling away from a statement's. */
const ATTRIBUTES_LIKE_STATEMENTS: ReadonlySet<string> = new Set(['ENUMERATED', 'SELECTION']);

function failStray(source: string, token: Token): never {
  const near = nearestWord(token.upper, STATEMENT_WORDS);
  const hint = near === undefined ? '' : `, did you mean ${near}`;
  return failRepository(source, token.at, `"${token.text}" begins no statement${hint}`);
}
