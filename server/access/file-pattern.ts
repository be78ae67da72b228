// Patterns of file names in grants: `orders`, `sales/*`, `**`. Names are those below the data root, parts
// joined by `/`, and upper and lower case differ.
//
//   *     any text inside one part          **    any text, slashes included
//   **/   any parts, none too: `**/orders` is also the orders of the root
//
// A pattern is walked as a set of places in it, all at once, so that no pattern takes more steps than its
// length times that of the name. It never becomes a RegExp.

import { RsyndError } from '../../shared/base/error.js';
import { fileNameBytesMax } from '../../shared/base/limits.js';

/**
 * One step of a pattern: a character that must be there, or text that may be. `**\/` is two: `parts` between
 * parts, where it may end, and `inside` one of them.
 */
type Step =
  | { readonly kind: 'char'; readonly char: string }
  | { readonly kind: 'part' | 'any' | 'parts' | 'inside' };

/** Answers whether a name fits the pattern it was made from. */
export type FilePattern = (name: string) => boolean;

/** What people write expecting a wildcard, and control characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NOT_IN_PATTERNS = /[\\?[\]{}\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

/** Reads a pattern. ERR_INVARG says what is wrong with it. */
export function parseFilePattern(pattern: string): FilePattern {
  const why = faultOf(pattern);
  if (why !== undefined) {
    const shown = JSON.stringify(pattern.slice(0, 64));
    const usage = "write names below the data directory such as orders, 'sales/*' or '**'";
    throw new RsyndError('ERR_INVARG', `the pattern ${shown} ${why}; ${usage}`);
  }
  const steps = stepsOf(pattern);
  return (name) => fits(steps, name);
}

function faultOf(pattern: string): string | undefined {
  if (pattern === '') return 'is empty';
  if (Buffer.byteLength(pattern) > fileNameBytesMax) return `is above ${fileNameBytesMax} bytes`;
  if (NOT_IN_PATTERNS.test(pattern))
    return 'has a character no pattern has; wildcards are * and **';
  if (pattern.includes('***')) return 'has three stars in a row';
  const parts = pattern.split('/');
  if (parts.includes('')) return 'begins or ends with a slash, or has two in a row';
  if (parts.some((part) => part.startsWith('.'))) return 'has a part that begins with a dot';
  return undefined;
}

function stepsOf(pattern: string): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < pattern.length; ) {
    const isPartStart = at === 0 || pattern[at - 1] === '/';
    if (isPartStart && pattern.startsWith('**/', at)) {
      steps.push({ kind: 'parts' }, { kind: 'inside' });
      at += 3;
    } else if (pattern.startsWith('**', at)) {
      steps.push({ kind: 'any' });
      at += 2;
    } else {
      const char = pattern.charAt(at++);
      steps.push(char === '*' ? { kind: 'part' } : { kind: 'char', char });
    }
  }
  return steps;
}

function fits(steps: readonly Step[], name: string): boolean {
  let places = new Set<number>();
  enter(steps, places, 0);
  for (const char of name.split('')) {
    const next = new Set<number>();
    for (const place of places) advance(steps, next, place, char);
    if (next.size === 0) return false;
    places = next;
  }
  return places.has(steps.length);
}

/** Adds a place, and those behind steps that may stand for nothing. */
function enter(steps: readonly Step[], places: Set<number>, place: number): void {
  for (let at = place; !places.has(at); at++) {
    places.add(at);
    const kind = steps[at]?.kind;
    if (kind === undefined || kind === 'char') return;
    if (kind === 'parts') at++;
  }
}

/** Adds the places that `char` leads to from `place`. */
function advance(steps: readonly Step[], next: Set<number>, place: number, char: string): void {
  const step = steps[place];
  switch (step?.kind) {
    case undefined:
      return;
    case 'char':
      if (step.char === char) enter(steps, next, place + 1);
      return;
    case 'part':
      if (char !== '/') enter(steps, next, place);
      return;
    case 'any':
      return enter(steps, next, place);
    case 'parts':
      next.add(place + 1);
      return;
    case 'inside':
      if (char === '/') enter(steps, next, place - 1);
      else next.add(place);
  }
}
