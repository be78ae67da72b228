// Reads the file options of an ISAMC call: `NETWORK_ENCRYPT,STATIC_RFA,PAGE=4096`. They follow the file
// name in the classic call; here the name is given apart.

import { headerTextBytesMax } from '../base/limits.js';
import type { FileAttributes, RecordFormat } from './file-spec.js';
import {
  failIsamc,
  type IsamcItem,
  type IsamcText,
  isamcKeyword,
  isamcNoValue,
  isamcNumber,
  isamcValue,
  readIsamcItems,
  toIsamcNumber,
} from './isamc-string.js';
import { DENSITY_MAX, DENSITY_MIN, PAGE_SIZES } from './key-statement.js';

export interface IsamcOptions {
  readonly format: RecordFormat;
  readonly networkEncrypt: boolean;
  readonly text: string;
  readonly attributes: FileAttributes;
}

type Facts = FileAttributes & Partial<Omit<IsamcOptions, 'attributes'>>;
type Reading = (source: IsamcText, item: IsamcItem) => Facts;

const flag =
  (facts: Facts): Reading =>
  (source, item) => {
    isamcNoValue(source, item);
    return facts;
  };

const OPTION_WORDS = {
  FIXED: flag({ format: 'fixed' }),
  MULTIPLE: flag({ format: 'multiple' }),
  VARIABLE: flag({ format: 'variable' }),
  COMPRESS: flag({ compressData: true }),
  DENSITY: (source, item) => ({ density: isamcNumber(source, item, DENSITY_MIN, DENSITY_MAX) }),
  I: (source, item) => ({ portableIntegers: [readPlace(source, item, isamcValue(source, item))] }),
  ERASE_ON_DELETE: flag({ eraseOnDelete: true }),
  NETWORK_ENCRYPT: flag({ networkEncrypt: true }),
  PAGE: (source, item) => ({ pageSize: readPageSize(source, item) }),
  ROLLBACK: flag({ rollback: true }),
  NOROLLBACK: flag({ rollback: false }),
  STORED_GRFA: flag({ storedGrfa: true }),
  SIZE_LIMIT: (source, item) => ({ sizeLimit: readLimit(source, item) }),
  RECORD_LIMIT: (source, item) => ({ recordLimit: readLimit(source, item) }),
  STATIC_RFA: flag({ staticRfa: true }),
  TBYTE: flag({ addressing: 48 }),
  NOTBYTE: flag({ addressing: 32 }),
  TEXT: (source, item) => ({ text: readText(source, item) }),
  TRACK_CHANGES: flag({ trackChanges: true }),
  RESILIENT: flag({ resilient: true }),
  FULLRESILIENT: flag({ fullResilient: true }),
} as const satisfies { readonly [word: string]: Reading };

type OptionWord = keyof typeof OPTION_WORDS;
const WORDS = Object.keys(OPTION_WORDS) as OptionWord[];

/** Short forms of the field that are not plain beginnings, or would be ambiguous ones. */
const ALIASES: { readonly [alias: string]: OptionWord } = {
  C: 'COMPRESS',
  F: 'FIXED',
  M: 'MULTIPLE',
  V: 'VARIABLE',
  S: 'STATIC_RFA',
  T: 'TBYTE',
  SGRFA: 'STORED_GRFA',
};

/** Throws ERR_BADXDLS. */
export function readIsamcOptions(text: string): IsamcOptions {
  const source: IsamcText = { what: 'options', text };
  const placed = new Map<string, IsamcItem>();
  let facts: Facts = {};
  let open: OptionWord | undefined;
  for (const item of readIsamcItems(source)) {
    if (open === 'I' && item.value === undefined && /^\d+:\d+$/.test(item.word)) {
      const places = [...(facts.portableIntegers ?? []), readPlace(source, item, item.word)];
      facts = { ...facts, portableIntegers: places };
      continue;
    }
    open = isamcKeyword(source, item, WORDS, ALIASES);
    const stated = OPTION_WORDS[open](source, item);
    for (const fact of Object.keys(stated)) refuseTwice(source, placed, fact, item);
    facts = { ...facts, ...stated };
  }
  refuseCompressedMultiple(source, facts, placed);
  const { format = 'fixed', networkEncrypt = false, text: header = '', ...attributes } = facts;
  return { format, networkEncrypt, text: header, attributes };
}

function refuseTwice(
  source: IsamcText,
  placed: Map<string, IsamcItem>,
  fact: string,
  item: IsamcItem,
): void {
  const before = placed.get(fact);
  if (before !== undefined) {
    const verb = before.word.toUpperCase() === item.word.toUpperCase() ? 'repeats' : 'contradicts';
    const why = `"${item.word}" ${verb} "${before.word}" at position ${before.position}`;
    failIsamc(source, item.position, why);
  }
  placed.set(fact, item);
}

function refuseCompressedMultiple(
  source: IsamcText,
  facts: Facts,
  placed: ReadonlyMap<string, IsamcItem>,
): void {
  if (!facts.compressData || facts.format !== 'multiple') return;
  const position = placed.get('compressData')?.position ?? 1;
  failIsamc(source, position, 'COMPRESS contradicts MULTIPLE');
}

function readPlace(
  source: IsamcText,
  item: IsamcItem,
  place: string,
): { offset: number; length: number } {
  const [position = '', length = '', more] = place.split(':');
  if (more !== undefined) failIsamc(source, item.position, `I takes pos:len, not "${place}"`);
  const start = toIsamcNumber(source, item, position.trim(), 1, Number.MAX_SAFE_INTEGER);
  return { offset: start - 1, length: toIsamcNumber(source, item, length.trim(), 1, 8) };
}

function readPageSize(source: IsamcText, item: IsamcItem): number {
  const size = isamcNumber(source, item, 1, Number.MAX_SAFE_INTEGER);
  if (PAGE_SIZES.includes(size)) return size;
  return failIsamc(source, item.position, `PAGE is one of ${PAGE_SIZES.join(', ')}, not ${size}`);
}

const readLimit = (source: IsamcText, item: IsamcItem): number =>
  isamcNumber(source, item, 1, Number.MAX_SAFE_INTEGER);

function readText(source: IsamcText, item: IsamcItem): string {
  const text = isamcValue(source, item);
  const bytes = Buffer.byteLength(text);
  if (bytes <= headerTextBytesMax) return text;
  const why = `TEXT has ${bytes} bytes, at most ${headerTextBytesMax} are kept`;
  return failIsamc(source, item.position, why);
}
