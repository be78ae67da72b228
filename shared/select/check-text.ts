// Looks over the text of a question before the parser, which goes down one level of the stack for each
// parenthesis and each `not`: here they are counted in one pass. Called by parse.ts.

import { expressionDepthMax, expressionNodesMax, queryTextCharsMax } from '../base/limits.js';
import { selectError } from './select-error.js';

/** Parentheses that nest nothing: those of `in`, `nocase` and `rec`. */
const NESTING_MAX = expressionDepthMax + 3;
/** Text, quoted names, words, signs; what is left is blank. An unclosed quote is for the parser. */
const TOKEN = /'[^']*'|"[^"]*"|[A-Za-z_\u0080-\uFFFF][\w$#\u0080-\uFFFF]*|[^\s]/g;

/** ERR_INVOPER when the text is too long, nests too deep or has too many conditions. */
export function checkText(text: string): void {
  if (text.length > queryTextCharsMax) {
    throw selectError(`a question has at most ${queryTextCharsMax} characters, not ${text.length}`);
  }
  const nesting = new Nesting();
  let joints = 0;
  for (const [token] of text.matchAll(TOKEN)) {
    nesting.take(token);
    if (nesting.level > NESTING_MAX) {
      throw selectError(`a condition nests at most ${expressionDepthMax} deep`);
    }
    if (/^(?:and|or)$/i.test(token) && ++joints > 2 * expressionNodesMax) {
      throw selectError(
        `a condition has at most ${expressionNodesMax} parts; \`in\` takes many values`,
      );
    }
  }
}

/** How deep the parser is at a token. */
class Nesting {
  level = 0;
  /** `not`s in front of what comes next, and in front of each open parenthesis. */
  #nots = 0;
  readonly #outer: number[] = [];

  take(token: string): void {
    if (/^not$/i.test(token)) {
      this.#nots++;
      this.level++;
    } else if (token === '(') {
      this.#outer.push(this.#nots);
      this.#nots = 0;
      this.level++;
    } else {
      this.level -= this.#nots;
      this.#nots = 0;
      if (token === ')') this.#close();
    }
  }

  #close(): void {
    const nots = this.#outer.pop();
    if (nots !== undefined) this.level -= nots + 1;
  }
}
