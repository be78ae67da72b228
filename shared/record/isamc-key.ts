// Reads one key of an ISAMC call: `START=1:20,LENGTH=5:2,TYPE=A:D,NAME=state,DUPS,ATEND,MODIFY`.

import type { KeySpec } from './file-spec.js';
import {
  failIsamc,
  type IsamcItem,
  type IsamcText,
  isamcKeyword,
  isamcMeaning,
  isamcNoValue,
  isamcNumber,
  isamcValue,
  readIsamcItems,
  toIsamcNumber,
} from './isamc-string.js';
import {
  DENSITY_MAX,
  DENSITY_MIN,
  type KeyStatement,
  makeKey,
  NULL_KEY_WORDS,
  SEGMENT_ORDER_WORDS,
  SEGMENT_TYPE_WORDS,
} from './key-statement.js';

/** What the words of a key state: the fact, and how its value is read. */
type Reading = (source: IsamcText, item: IsamcItem) => KeyStatement;

const flag =
  (facts: KeyStatement): Reading =>
  (source, item) => {
    isamcNoValue(source, item);
    return facts;
  };

const numbers =
  (fact: 'starts' | 'lengths'): Reading =>
  (source, item) => {
    const words = isamcValue(source, item).split(':');
    const max = Number.MAX_SAFE_INTEGER;
    return { [fact]: words.map((word) => toIsamcNumber(source, item, word.trim(), 1, max)) };
  };

const meanings = <V>(
  source: IsamcText,
  item: IsamcItem,
  table: { readonly [word: string]: V },
): V[] =>
  isamcValue(source, item)
    .split(':')
    .map((word) => isamcMeaning(source, item, word.trim(), table));

const KEY_WORDS = {
  START: numbers('starts'),
  LENGTH: numbers('lengths'),
  TYPE: (source, item) => ({ types: meanings(source, item, SEGMENT_TYPE_WORDS) }),
  ORDER: (source, item) => ({ orders: meanings(source, item, SEGMENT_ORDER_WORDS) }),
  ASCEND: flag({ orders: ['ascending'] }),
  NOASCEND: flag({ orders: ['descending'] }),
  NAME: (source, item) => ({ name: isamcValue(source, item) }),
  DUPS: flag({ duplicates: true }),
  NODUPS: flag({ duplicates: false }),
  ATEND: flag({ duplicateOrder: 'fifo' }),
  NOATEND: flag({ duplicateOrder: 'lifo' }),
  MODIFY: flag({ modifiable: true }),
  NOMODIFY: flag({ modifiable: false }),
  DENSITY: (source, item) => ({ density: isamcNumber(source, item, DENSITY_MIN, DENSITY_MAX) }),
  NULL: (source, item) => ({
    nullKind: isamcMeaning(source, item, isamcValue(source, item), NULL_KEY_WORDS),
  }),
  VALUE_NULL: (source, item) => ({ nullValue: isamcValue(source, item) }),
  SEED: (source, item) => ({ seed: isamcNumber(source, item, 0, Number.MAX_SAFE_INTEGER) }),
  // How another system's files pack their keys: taken, it changes nothing here.
  COMPRESS: (source, item) => {
    isamcMeaning(source, item, isamcValue(source, item), COMPRESSIONS);
    return {};
  },
} as const satisfies { readonly [word: string]: Reading };

const COMPRESSIONS = { ALL: true, INDEX: true, RECORD: true, KEY: true };

type KeyWord = keyof typeof KEY_WORDS;
const WORDS = Object.keys(KEY_WORDS) as KeyWord[];

/** Key `number` of a file. Throws ERR_BADXDLS. `seed` is the first value of a sequence. */
export function readIsamcKey(
  text: string,
  number: number,
  recordSize: number,
): { readonly key: KeySpec; readonly seed: number | undefined } {
  const source: IsamcText = { what: `key ${number}`, text };
  const placed = new Map<string, IsamcItem>();
  let statement: KeyStatement = {};
  for (const item of readIsamcItems(source)) {
    const word = isamcKeyword(source, item, WORDS);
    const facts = KEY_WORDS[word](source, item);
    for (const fact of [word, ...Object.keys(facts)]) refuseTwice(source, placed, fact, item);
    statement = { ...statement, ...facts };
  }
  const key = makeKey(statement, number, recordSize, (fact, why) =>
    failIsamc(source, (fact && placed.get(fact)?.position) ?? 1, why),
  );
  return { key, seed: statement.seed };
}

/** DUPS with NODUPS, ORDER with ASCEND and any word twice state one fact twice. */
function refuseTwice(
  source: IsamcText,
  placed: Map<string, IsamcItem>,
  fact: string,
  item: IsamcItem,
): void {
  const before = placed.get(fact);
  if (before !== undefined && before !== item) {
    const verb = before.word.toUpperCase() === item.word.toUpperCase() ? 'repeats' : 'contradicts';
    const why = `"${item.word}" ${verb} "${before.word}" at position ${before.position}`;
    failIsamc(source, item.position, why);
  }
  placed.set(fact, item);
}
