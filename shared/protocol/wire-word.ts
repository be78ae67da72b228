// The words of messages that travel as one byte. The numbers are the field's own where it has some.
// On the wire: never renumber, never reuse. To add a word: its union in message.ts, a number here,
// a row in PROTOCOL.md.

import { RsyndError } from '../base/error.js';
import type { ErrorCode } from '../base/error-code.js';
import type {
  ChannelLock,
  Match,
  OnLocked,
  OpenMode,
  ReadDirection,
  ReadLock,
  ReadTarget,
  SelectAction,
  SelectedReply,
  ShareMode,
} from './message.js';
import { violation } from './violation.js';

/** One set of words, both ways. */
export interface WordSet<W extends string> {
  /** What the words say, for messages. */
  readonly subject: string;
  readonly numbers: Readonly<Record<W, number>>;
  readonly words: readonly (W | undefined)[];
  /** What a caller gets who gives a word that is none of them. */
  readonly misuse: ErrorCode;
}

function wordSet<W extends string>(
  subject: string,
  misuse: ErrorCode,
  numbers: Readonly<Record<W, number>>,
): WordSet<W> {
  const words: (W | undefined)[] = [];
  for (const word of Object.keys(numbers) as W[]) words[numbers[word]] = word;
  return { subject, misuse, numbers, words: Array.from(words) };
}

export const OPEN_MODE = wordSet<OpenMode>('mode', 'ERR_BADMODE', {
  input: 0,
  update: 1,
  output: 2,
  append: 3,
});
export const SHARE_MODE = wordSet<ShareMode>('share', 'ERR_BADMODE', {
  exclusive: 0,
  read: 1,
  all: 2,
});
export const CHANNEL_LOCK = wordSet<ChannelLock>('lock', 'ERR_BADMODE', { none: 0, auto: 1 });
export const READ_LOCK = wordSet<ReadLock>('lock', 'ERR_BADMODE', { none: 0, auto: 1, manual: 2 });
export const STORE_LOCK = wordSet<'none' | 'manual'>('lock', 'ERR_BADMODE', { none: 0, manual: 2 });
export const MATCH = wordSet<Match>('match', 'ERR_INVARG', { geq: 0, eq: 1, gtr: 2, gen: 4 });
export const DIRECTION = wordSet<ReadDirection>('direction', 'ERR_INVARG', {
  forward: 1,
  reverse: 2,
});
export const TARGET = wordSet<ReadTarget['by']>('target', 'ERR_INVARG', {
  key: 0,
  first: 1,
  last: 2,
  rfa: 3,
});

export const SELECT_ACTION = wordSet<SelectAction>('action', 'ERR_INVARG', {
  read: 0,
  count: 1,
  delete: 2,
  explain: 3,
});
export const ON_LOCKED = wordSet<OnLocked>('onLocked', 'ERR_INVARG', { fail: 0, skip: 1, wait: 2 });
export const BUDGET = wordSet<NonNullable<SelectedReply['stopped']>['budget']>(
  'budget',
  'ERR_INVARG',
  { maxScan: 0, maxMs: 1 },
);

/** The number of a word. Throws the set's own error for a word a caller without types made up. */
export function numberOfWord<W extends string>(set: WordSet<W>, word: W): number {
  const number = set.numbers[word];
  if (number !== undefined && Object.hasOwn(set.numbers, word)) return number;
  throw new RsyndError(set.misuse, `${set.subject} is one of ${listWords(set)}`);
}

/** The word of a number that came. Throws ERR_PROTOCOL in the name of `message`. */
export function wordOfNumber<W extends string>(
  set: WordSet<W>,
  number: number,
  message: string,
): W {
  const word = set.words[number];
  if (word !== undefined) return word;
  throw violation(message, `${set.subject} is ${number}, known are ${listWords(set)}`);
}

const listWords = <W extends string>(set: WordSet<W>): string =>
  (Object.keys(set.numbers) as W[]).map((word) => `${word} (${set.numbers[word]})`).join(', ');
