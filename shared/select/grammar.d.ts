// What tools/make-grammar.mjs makes of grammar.peggy. Only parse.ts calls it; what it returns is what the
// functions of `make` and the grammar itself build, which parse.ts knows.

/** Where reading may begin. */
export type StartRule = 'Expression' | 'Query' | 'OperandAlone' | 'OrderTerm';

/** One thing that could have stood there. */
export interface Expectation {
  readonly type: 'literal' | 'class' | 'any' | 'end' | 'not' | 'other';
  readonly text?: string;
  readonly description?: string;
}

declare class GrammarError extends Error {
  readonly expected: readonly Expectation[] | null;
  readonly location: { readonly start: { readonly offset: number } };
}

export declare function parse(
  text: string,
  options: { readonly startRule: StartRule; readonly make: object },
): unknown;

/** The generated name of it. */
export { GrammarError as SyntaxError };
