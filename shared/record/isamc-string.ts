// Cuts an ISAMC string into its comma-separated items, `WORD` or `WORD=value`, each with its place, and
// finds the keywords. Knows quotes and places; what a keyword means is isamc-options.ts and isamc-key.ts.

import { RsyndError } from '../base/error.js';
import { matchKeyword } from './keyword.js';

export interface IsamcItem {
  readonly word: string;
  /** Without quotes; undefined when there was no `=`. */
  readonly value: string | undefined;
  /** 1-based position of the item in its string. */
  readonly position: number;
}

/** An ISAMC string and what to call it in messages: `options`, `key 1`. */
export interface IsamcText {
  readonly what: string;
  readonly text: string;
}

/** Throws ERR_BADXDLS for a position in the string. */
export function failIsamc({ what }: IsamcText, position: number, why: string): never {
  throw new RsyndError('ERR_BADXDLS', `${what}, position ${position}: ${why}`);
}

/** WORD, then perhaps `=` and a quoted or plain value, then a comma or the end. */
const ITEM = /\s*([^\s,="']*)\s*(?:=\s*(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)'|([^,"']*)))?\s*(,|$)/y;

/** The items of the string in order. */
export function readIsamcItems(source: IsamcText): readonly IsamcItem[] {
  const { text } = source;
  const items: IsamcItem[] = [];
  if (text.trim() === '') return items;
  ITEM.lastIndex = 0;
  for (let index = 0; ; index = ITEM.lastIndex) {
    const match = ITEM.exec(text);
    if (match === null) {
      failIsamc(source, index + 1, `cannot read "${text.slice(index).trim()}"`);
    }
    const [all, word = '', doubly, singly, plain, end] = match;
    const position = index + 1 + (all.length - all.trimStart().length);
    if (word === '') failIsamc(source, position, 'an item is empty');
    const value = doubly?.replaceAll('""', '"') ?? singly?.replaceAll("''", "'") ?? plain?.trim();
    items.push({ word, value, position });
    if (end === '') return items;
  }
}

/** Finds the item's keyword: an alias, the word, or its unambiguous beginning. */
export function isamcKeyword<K extends string>(
  source: IsamcText,
  item: IsamcItem,
  keywords: readonly K[],
  aliases: { readonly [alias: string]: K } = {},
): K {
  const alias = aliases[item.word.toUpperCase()];
  if (alias !== undefined) return alias;
  const match = matchKeyword(item.word, keywords, 'words of ISAMC');
  return match.keyword ?? failIsamc(source, item.position, match.why);
}

/** The text after `=`. */
export function isamcValue(source: IsamcText, item: IsamcItem): string {
  if (item.value !== undefined && item.value !== '') return item.value;
  return failIsamc(source, item.position, `"${item.word}" needs a value: ${item.word}=…`);
}

export function isamcNumber(source: IsamcText, item: IsamcItem, min: number, max: number): number {
  return toIsamcNumber(source, item, isamcValue(source, item), min, max);
}

export function toIsamcNumber(
  source: IsamcText,
  item: IsamcItem,
  word: string,
  min: number,
  max: number,
): number {
  const number = /^\d+$/.test(word) ? Number(word) : Number.NaN;
  if (number >= min && number <= max) return number;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return failIsamc(
    source,
    item.position,
    `${item.word} takes a whole number ${range}, not "${word}"`,
  );
}

/** The meaning of one word of a value: `A` of `TYPE=A:D`. */
export function isamcMeaning<V>(
  source: IsamcText,
  item: IsamcItem,
  word: string,
  meanings: { readonly [word: string]: V },
): V {
  const match = matchKeyword(word, Object.keys(meanings), `values of ${item.word}`);
  const meaning = match.keyword === undefined ? undefined : meanings[match.keyword];
  const why = match.keyword === undefined ? match.why : `bad ${item.word}`;
  return meaning ?? failIsamc(source, item.position, why);
}

/** A word without `=`. */
export function isamcNoValue(source: IsamcText, item: IsamcItem): void {
  if (item.value === undefined) return;
  failIsamc(source, item.position, `"${item.word}" takes no value`);
}
