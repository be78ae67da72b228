// Reads the attributes of a field, group or template. Those that say how bytes are laid out are kept; the
// many that say how a field is shown or entered are stepped over with their values.

import type { FieldAttributes, Overlay, RepositoryFieldType } from './model.js';
import type { TokenReader } from './tokens.js';

const TYPES: { readonly [word: string]: RepositoryFieldType } = {
  ALPHA: 'alpha',
  DECIMAL: 'decimal',
  INTEGER: 'integer',
  DATE: 'date',
  TIME: 'time',
  USER: 'user',
  BOOLEAN: 'boolean',
  ENUM: 'enum',
  STRUCT: 'struct',
  AUTOSEQ: 'autoseq',
  AUTOTIME: 'autotime',
  BINARY: 'binary',
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What all three can say, and what only one of them can. */
export interface StatedAttributes {
  readonly attributes: FieldAttributes;
  readonly template?: string;
  readonly parent?: string;
  readonly reference?: string;
  readonly prefix?: string;
}

interface Reading {
  /** Facts already stated, so that none is stated twice. */
  readonly stated: Set<string>;
  readonly attributes: Mutable<FieldAttributes>;
  readonly others: Mutable<Omit<StatedAttributes, 'attributes'>>;
}

type AttributeReader = (reader: TokenReader, reading: Reading) => void;

const READERS: { readonly [word: string]: AttributeReader } = {
  TYPE: (reader, { attributes }) => {
    attributes.type = reader.meaning('Type', TYPES);
  },
  SIZE: (reader, { attributes }) => {
    attributes.size = reader.number('Size', 1);
  },
  PRECISION: (reader, { attributes }) => {
    attributes.precision = reader.number('Precision');
  },
  STORED: (reader, { attributes }) => {
    attributes.stored = reader.word('Stored').upper;
  },
  DIMENSION: (reader, { attributes }) => {
    attributes.dimension = readDimension(reader);
  },
  ENUM: (reader, { attributes }) => {
    attributes.enumeration = reader.word('Enum').upper;
  },
  STRUCT: (reader, { attributes }) => {
    attributes.struct = reader.word('Struct').upper;
  },
  OVERLAY: (reader, { attributes }) => {
    attributes.overlay = readOverlay(reader);
  },
  DESCRIPTION: (reader, { attributes }) => {
    attributes.description = reader.string('Description');
  },
  TEMPLATE: (reader, { others }) => {
    others.template = reader.word('Template').upper;
  },
  PARENT: (reader, { others }) => {
    others.parent = reader.word('Parent').upper;
  },
  REFERENCE: (reader, { others }) => {
    others.reference = reader.word('Reference').upper;
  },
  PREFIX: (reader, { others }) => {
    others.prefix = reader.word('Prefix').text;
  },
};

/** Attributes of two words; those without a reader are stepped over. */
const PAIRS: { readonly [first: string]: { readonly [second: string]: AttributeReader | 'skip' } } =
  {
    COERCED: {
      TYPE: (reader, { attributes }) => {
        attributes.coercedType = reader.word('Coerced Type').upper;
      },
    },
    USER: {
      TYPE: (reader, { attributes }) => {
        attributes.userType = reader.string('User Type');
      },
      TEXT: 'skip',
    },
    LONG: { DESCRIPTION: 'skip' },
    COMPILE: { PREFIX: 'skip' },
    NOCOMPILE: { PREFIX: 'skip' },
    NOUSER: { TYPE: 'skip' },
    NOCOERCED: { TYPE: 'skip' },
  };

/** Attributes whose value is a name, which could read like another attribute. */
const NAME_FOLLOWS: ReadonlySet<string> = new Set([
  'FORMAT',
  'FONT',
  'PROMPTFONT',
  'COLOR',
  'DEFAULT',
]);
const NAME_FOLLOWS_PAIR: ReadonlySet<string> = new Set([
  'ODBC NAME',
  'ALTERNATE NAME',
  'REPORT JUST',
  'INPUT JUST',
]);

/** Reads up to the end of the statement. Throws ERR_BADDEF for a broken or repeated attribute. */
export function readAttributes(reader: TokenReader): StatedAttributes {
  const reading: Reading = { stated: new Set(), attributes: {}, others: {} };
  for (let token = reader.take(); token !== undefined; token = reader.take()) {
    if (token.kind === 'string') {
      reader.failAt(token.at, `the string "${token.text}" belongs to no attribute`);
    }
    const second = reader.peek()?.upper ?? '';
    const paired = PAIRS[token.upper]?.[second];
    const single = paired === undefined ? READERS[token.upper] : undefined;
    if (paired !== undefined) reader.take();
    const read = paired === 'skip' ? undefined : (paired ?? single);
    if (read === undefined) skipValues(reader, token.upper, second);
    else {
      const fact = paired === undefined ? token.upper : `${token.upper} ${second}`;
      if (reading.stated.has(fact)) reader.failAt(token.at, `${token.text} is stated twice`);
      reading.stated.add(fact);
      read(reader, reading);
    }
  }
  return { attributes: reading.attributes, ...reading.others };
}

/** Steps over what belongs to an attribute that is not kept: names, strings, numbers, lists. */
function skipValues(reader: TokenReader, first: string, second: string): void {
  if (NAME_FOLLOWS.has(first)) reader.take();
  if (NAME_FOLLOWS_PAIR.has(`${first} ${second}`)) {
    reader.take();
    reader.take();
  }
  for (;;) {
    const token = reader.peek();
    const isValue = token?.kind === 'string' || token?.kind === 'mark' || isNumber(token?.text);
    const hasValue = reader.peek(1)?.kind === 'string' && !isKnown(token?.upper ?? '');
    if (!isValue && !hasValue) return;
    reader.take();
  }
}

const isNumber = (text: string | undefined): boolean =>
  text !== undefined && /^[-+]?\d+(\.\d+)?$/.test(text);

const isKnown = (word: string): boolean => READERS[word] !== undefined || PAIRS[word] !== undefined;

/** `15`, or `3:2` for two dimensions. */
function readDimension(reader: TokenReader): readonly number[] {
  const sizes = [reader.number('Dimension', 1)];
  while (reader.peek()?.text === ':' || reader.peek()?.text === ',') {
    reader.take();
    sizes.push(reader.number('Dimension', 1));
  }
  if (sizes.length > DIMENSIONS_MAX) {
    reader.fail(`a field has at most ${DIMENSIONS_MAX} dimensions, not ${sizes.length}`);
  }
  return sizes;
}

const DIMENSIONS_MAX = 4;

/** `Overlay`, `Overlay FIELD` or `Overlay FIELD:3`. */
function readOverlay(reader: TokenReader): Overlay {
  const next = reader.peek();
  if (next?.kind !== 'word' || next.startsLine || isKnown(next.upper)) return { offset: 0 };
  const field = reader.word('Overlay').upper;
  if (reader.peek()?.text !== ':') return { field, offset: 0 };
  reader.take();
  return { field, offset: reader.number('Overlay offset') };
}
