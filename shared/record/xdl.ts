// Reads XDL, the field's text form of a file definition, into a FileSpec. Called by isutl and by whoever
// creates files from XDL. Everything a user states is either obeyed, kept or an error with its place.
//
//   FILE                 ! a comment
//     NETWORK_ENCRYPT yes
//     KEYS            1
//   RECORD
//     SIZE            100
//   KEY 0
//     START           1:20
//     LENGTH          5:2

import { headerTextBytesMax, keysPerFileMax, recordBytesMax } from '../base/limits.js';
import type { FileAttributes, FileSpec, KeySpec, RecordFormat, RecordSpec } from './file-spec.js';
import {
  DENSITY_MAX,
  DENSITY_MIN,
  type KeyStatement,
  makeKey,
  NULL_KEY_WORDS,
  PAGE_SIZES,
  SEGMENT_ORDER_WORDS,
  SEGMENT_TYPE_WORDS,
} from './key-statement.js';
import { nearestWord } from './keyword.js';
import { failXdl, readXdlStatements, type XdlStatement } from './xdl-lexer.js';
import { XDL_KEYWORDS, type XdlKeyword, XdlSection } from './xdl-section.js';

const RECORD_FORMATS: { readonly [word: string]: RecordFormat } = {
  FIXED: 'fixed',
  MULTIPLE: 'multiple',
  VARIABLE: 'variable',
};
const DUPLICATE_ORDERS: { readonly [word: string]: 'fifo' | 'lifo' } = {
  FIFO: 'fifo',
  LIFO: 'lifo',
};
const NO_BOUND = Number.MAX_SAFE_INTEGER;

/** The keyword that states each fact of a key, to blame the right place. */
const KEYWORD_OF_FACT: { readonly [F in keyof KeyStatement]-?: XdlKeyword } = {
  starts: 'START',
  lengths: 'LENGTH',
  types: 'TYPE',
  orders: 'ORDER',
  name: 'NAME',
  duplicates: 'DUPLICATES',
  duplicateOrder: 'DUPLICATE_ORDER',
  modifiable: 'MODIFIABLE',
  nullKind: 'NULL',
  nullValue: 'VALUE_NULL',
  density: 'DENSITY',
  seed: 'SEED',
};

interface XdlText {
  readonly source: string;
  readonly file: XdlSection;
  readonly record: XdlSection;
  /** By key number, without gaps. */
  readonly keys: readonly XdlSection[];
}

/**
 * Reads a definition; it has no fields (see withFields). `fileName` is for messages only.
 * Throws ERR_BADXDLF with line, column, the word at fault and what was expected.
 */
export function parseXdl(text: string, options: { readonly fileName?: string } = {}): FileSpec {
  const xdl = readSections(text, options.fileName ?? 'XDL');
  checkKeyCount(xdl);
  const record = readRecord(xdl);
  const statements = xdl.keys.map(readKey);
  const keys = statements.map((statement, number) => makeXdlKey(xdl, statement, number, record));
  checkKeyNames(xdl, keys);
  const seeds = statements.flatMap(({ seed }, number) =>
    seed === undefined ? [] : [[number, seed]],
  );
  xdl.file.text('NAME');
  return {
    record,
    keys,
    fields: [],
    networkEncrypt: xdl.file.yesNo('NETWORK_ENCRYPT') ?? false,
    text: readText(xdl),
    attributes: readAttributes(xdl),
    ...(seeds.length === 0 ? {} : { seeds: Object.fromEntries(seeds) }),
  };
}

function readSections(text: string, source: string): XdlText {
  let file: XdlSection | undefined;
  let record: XdlSection | undefined;
  const keys = new Map<number, XdlSection>();
  let current: XdlSection | undefined;
  for (const statement of readXdlStatements(text, source)) {
    const word = statement.word.toUpperCase();
    if (word === 'FILE') current = file = onlyOne(file, statement, 'FILE', source);
    else if (word === 'RECORD') current = record = onlyOne(record, statement, 'RECORD', source);
    else if (word === 'KEY') current = addKey(keys, statement, source);
    else if (current === undefined) failOutside(statement, source);
    else current.add(statement);
  }
  const start = { line: 1, column: 1 };
  if (record === undefined) return failXdl(source, start, 'there is no RECORD section');
  file ??= new XdlSection('FILE', start, source);
  return { source, file, record, keys: inOrder(keys, source) };
}

function onlyOne(
  before: XdlSection | undefined,
  statement: XdlStatement,
  name: 'FILE' | 'RECORD',
  source: string,
): XdlSection {
  if (before !== undefined) {
    const why = `section ${name} is there twice, first on line ${before.at.line}`;
    failXdl(source, statement.at, why);
  }
  if (statement.value !== '') {
    failXdl(
      source,
      statement.valueAt,
      `"${statement.value}" follows ${name}, which takes no value`,
    );
  }
  return new XdlSection(name, statement.at, source);
}

function addKey(
  keys: Map<number, XdlSection>,
  statement: XdlStatement,
  source: string,
): XdlSection {
  const number = /^\d+$/.test(statement.value) ? Number(statement.value) : Number.NaN;
  if (!(number < keysPerFileMax)) {
    const why = `KEY takes a number from 0 to ${keysPerFileMax - 1}, not "${statement.value}"`;
    failXdl(source, statement.valueAt, why);
  }
  const before = keys.get(number);
  if (before !== undefined) {
    failXdl(source, statement.at, `KEY ${number} is there twice, first on line ${before.at.line}`);
  }
  const section = new XdlSection('KEY', statement.at, source);
  keys.set(number, section);
  return section;
}

function failOutside(statement: XdlStatement, source: string): never {
  const sections = Object.keys(XDL_KEYWORDS);
  const near = nearestWord(statement.word.toUpperCase(), sections);
  const hint = near === undefined ? '' : `, did you mean ${near}`;
  const why = `"${statement.word}" is outside of the sections FILE, RECORD and KEY n${hint}`;
  return failXdl(source, statement.at, why);
}

function inOrder(keys: ReadonlyMap<number, XdlSection>, source: string): readonly XdlSection[] {
  const ordered: XdlSection[] = [];
  for (const [number, section] of [...keys].sort(([a], [b]) => a - b)) {
    if (number !== ordered.length) {
      failXdl(source, section.at, `KEY ${number} without KEY ${ordered.length}`);
    }
    ordered.push(section);
  }
  return ordered;
}

function checkKeyCount({ file, record, keys }: XdlText): void {
  const stated = file.number('KEYS', 1, keysPerFileMax);
  if (keys.length === 0) record.fail(undefined, 'there is no KEY section, a file has a KEY 0');
  if (stated === undefined || stated === keys.length) return;
  file.fail('KEYS', `KEYS says ${stated}, but there are ${keys.length} KEY sections`);
}

function readRecord({ record }: XdlText): RecordSpec {
  const size = record.number('SIZE', 1, recordBytesMax);
  if (size === undefined) return record.fail(undefined, 'SIZE is missing in RECORD');
  return { size, format: record.word('FORMAT', RECORD_FORMATS) ?? 'fixed' };
}

function readKey(key: XdlSection): KeyStatement {
  return omitUndefined({
    starts: key.numbers('START'),
    lengths: key.numbers('LENGTH'),
    types: key.words('TYPE', SEGMENT_TYPE_WORDS),
    orders: key.words('ORDER', SEGMENT_ORDER_WORDS),
    name: key.text('NAME'),
    duplicates: key.yesNo('DUPLICATES'),
    duplicateOrder: key.word('DUPLICATE_ORDER', DUPLICATE_ORDERS),
    modifiable: key.yesNo('MODIFIABLE'),
    nullKind: key.word('NULL', NULL_KEY_WORDS),
    nullValue: key.text('VALUE_NULL'),
    density: key.number('DENSITY', DENSITY_MIN, DENSITY_MAX),
    seed: key.number('SEED', 0, NO_BOUND),
  });
}

function makeXdlKey(
  { keys }: XdlText,
  statement: KeyStatement,
  number: number,
  record: RecordSpec,
): KeySpec {
  return makeKey(statement, number, record.size, (fact, why) => {
    const keyword = fact === undefined ? undefined : KEYWORD_OF_FACT[fact];
    const section = keys[number];
    if (section === undefined) throw new TypeError(`no section for key ${number}`);
    return section.fail(keyword, `KEY ${number}: ${why}`);
  });
}

/** Keys are asked for by name, case-blind, so a name is there once. */
function checkKeyNames({ keys: sections }: XdlText, keys: readonly KeySpec[]): void {
  const seen = new Map<string, number>();
  keys.forEach((key, number) => {
    const name = key.name.toUpperCase();
    const before = seen.get(name);
    if (key.name === '') sections[number]?.fail('NAME', `KEY ${number}: NAME is empty`);
    if (before !== undefined) {
      sections[number]?.fail('NAME', `KEY ${number}: "${key.name}" is the name of KEY ${before}`);
    }
    seen.set(name, number);
  });
}

function readText({ file }: XdlText): string {
  const text = file.text('TEXT') ?? '';
  const allocation = file.number('TEXT_ALLOCATION', 0, NO_BOUND) ?? headerTextBytesMax;
  const bytes = Buffer.byteLength(text);
  if (bytes > headerTextBytesMax) {
    file.fail('TEXT', `TEXT has ${bytes} bytes, at most ${headerTextBytesMax} are kept`);
  }
  if (bytes > allocation) {
    file.fail('TEXT', `TEXT has ${bytes} bytes, TEXT_ALLOCATION is ${allocation}`);
  }
  return text;
}

function readAttributes(xdl: XdlText): FileAttributes {
  const { file, record } = xdl;
  const yesNo = (keyword: XdlKeyword): boolean | undefined =>
    eitherSection(xdl, keyword).yesNo(keyword);
  const attributes: FileAttributes = omitUndefined({
    addressing: file.oneOf('ADDRESSING', [32, 40, 48] as const),
    pageSize: file.oneOf('PAGE_SIZE', PAGE_SIZES),
    density: file.number('DENSITY', DENSITY_MIN, DENSITY_MAX),
    compressData: record.yesNo('COMPRESS_DATA'),
    staticRfa: yesNo('STATIC_RFA'),
    storedGrfa: yesNo('STORED_GRFA'),
    trackChanges: yesNo('TRACK_CHANGES'),
    eraseOnDelete: yesNo('ERASE_ON_DELETE'),
    rollback: yesNo('ROLLBACK'),
    resilient: file.yesNo('RESILIENT'),
    fullResilient: file.yesNo('FULLRESILIENT'),
    sizeLimit: file.number('SIZE_LIMIT', 1, NO_BOUND),
    recordLimit: file.number('RECORD_LIMIT', 1, NO_BOUND),
    textAllocation: file.number('TEXT_ALLOCATION', 0, NO_BOUND),
    portableIntegers: eitherSection(xdl, 'PORT_INT').places('PORT_INT'),
  });
  checkAttributes(xdl, attributes);
  return attributes;
}

/** The section that states the keyword; both is a contradiction even when they agree. */
function eitherSection({ file, record }: XdlText, keyword: XdlKeyword): XdlSection {
  if (!record.has(keyword)) return file;
  if (file.has(keyword)) record.fail(keyword, `${keyword} is stated in FILE and in RECORD`);
  return record;
}

function checkAttributes({ record, file }: XdlText, attributes: FileAttributes): void {
  if (attributes.compressData && record.word('FORMAT', RECORD_FORMATS) === 'multiple') {
    record.fail('COMPRESS_DATA', 'COMPRESS_DATA contradicts FORMAT multiple');
  }
  if (attributes.fullResilient && attributes.resilient === false) {
    file.fail('RESILIENT', 'RESILIENT no contradicts FULLRESILIENT yes');
  }
  const size = record.number('SIZE', 1, recordBytesMax) ?? 0;
  for (const { offset, length } of attributes.portableIntegers ?? []) {
    if (offset + length <= size) continue;
    record.fail('SIZE', `PORT_INT ${offset + 1}:${length} ends past the record of ${size} bytes`);
  }
}

/** Optional properties are absent, not undefined: a spec is stored and compared. */
function omitUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, property]) => property !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
