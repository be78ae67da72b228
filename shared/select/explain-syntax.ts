// What is wrong with the text of a question, as its author sees it: what could stand there, and the text
// around the place with a caret under it. Called by parse.ts.
//
//   Invalid operation: select: expected a value at character 9
//   state = and total > 5
//           ^

import type { Expectation } from './grammar.js';

/** Characters shown to either side of the place. */
const SHOWN_BESIDE = 30;

interface Fault {
  readonly expected: readonly Expectation[] | null;
  readonly location: { readonly start: { readonly offset: number } };
}

/** The message for a fault; the text is cut to a window around it. */
export function explainSyntax(text: string, { expected, location }: Fault): string {
  const { offset } = location.start;
  const from = Math.max(0, offset - SHOWN_BESIDE);
  const until = Math.min(text.length, offset + SHOWN_BESIDE);
  const before = `${from > 0 ? '…' : ''}${onOneLine(text.slice(from, offset))}`;
  const after = `${onOneLine(text.slice(offset, until))}${until < text.length ? '…' : ''}`;
  const where = offset < text.length ? `at character ${offset + 1}` : 'at the end';
  const wanted = listOf(expected ?? []);
  return `expected ${wanted} ${where}\n${before}${after}\n${' '.repeat(before.length)}^`;
}

/** One character for one, so that the caret stays in its place. */
const onOneLine = (text: string): string => text.replace(/[^\x20-\x7e\xa0-\uffff]/g, ' ');

function listOf(expected: readonly Expectation[]): string {
  const names = [...new Set(expected.map(nameOf))].sort();
  const last = names.pop() ?? 'something else';
  return names.length === 0 ? last : `${names.join(', ')} or ${last}`;
}

function nameOf({ type, text, description }: Expectation): string {
  if (type === 'end') return 'the end';
  if (type === 'literal') return `'${text ?? ''}'`;
  return description ?? 'another character';
}
