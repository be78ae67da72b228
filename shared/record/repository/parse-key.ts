// Reads a key statement of the repository with its segments.

import type { NullKeySpec, SegmentOrder, SegmentType } from '../file-spec.js';
import { SEGMENT_ORDER_WORDS, SEGMENT_TYPE_WORDS } from '../key-statement.js';
import type { RepositoryKey, RepositorySegment } from './model.js';
import type { Statement } from './statements.js';
import type { TokenReader } from './tokens.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type KeyDraft = Mutable<Omit<RepositoryKey, 'segments'>> & {
  readonly segments: RepositorySegment[];
};
type KeyWordReader = (reader: TokenReader, draft: KeyDraft) => void;

const ACCESS = { ACCESS: true, FOREIGN: false };
const YES_NO = { YES: true, NO: false };
const INSERTS: { readonly [word: string]: 'front' | 'end' } = { FRONT: 'front', END: 'end' };
const NULLS: { readonly [word: string]: NullKeySpec['kind'] } = {
  REPLICATING: 'replicate',
  NONREPLICATING: 'noreplicate',
  SHORT: 'short',
};

const READERS: { readonly [word: string]: KeyWordReader } = {
  ORDER: (reader, draft) => {
    draft.order = reader.meaning('Order', SEGMENT_ORDER_WORDS);
  },
  DUPS: (reader, draft) => {
    draft.dups = reader.meaning('Dups', YES_NO);
  },
  INSERT: (reader, draft) => {
    draft.insert = reader.meaning('Insert', INSERTS);
  },
  MODIFIABLE: (reader, draft) => {
    draft.modifiable = reader.meaning('Modifiable', YES_NO);
  },
  NULL: (reader, draft) => {
    draft.nullKey = readNull(reader);
  },
  DENSITY: (reader, draft) => {
    draft.density = reader.number('Density', 1);
  },
  KRF: (reader, draft) => {
    draft.krf = reader.number('Krf');
  },
  DESCRIPTION: (reader, draft) => {
    draft.description = reader.string('Description');
  },
  SEGMENT: (reader, draft) => {
    draft.segments.push(readSegment(reader));
  },
};

/** `Key NAME ACCESS Order ASCENDING Dups YES … Segment FIELD NAME …`. Throws ERR_BADDEF. */
export function parseKey({ rest: reader, token }: Statement): RepositoryKey {
  const name = reader.word('the name of the key').upper;
  const access = reader.meaning('the type of the key', ACCESS);
  const draft: KeyDraft = {
    name,
    at: token.at,
    access,
    order: 'ascending',
    insert: 'front',
    modifiable: false,
    segments: [],
  };
  for (let word = reader.take(); word !== undefined; word = reader.take()) {
    READERS[word.upper]?.(reader, draft);
  }
  if (draft.segments.length === 0) reader.failAt(token.at, `key ${name} has no Segment`);
  return draft;
}

function readNull(reader: TokenReader): NullKeySpec {
  const kind = reader.meaning('Null', NULLS);
  if (!reader.takeWord('VALUE')) return { kind };
  const value =
    reader.peek()?.kind === 'string' ? reader.string('Value') : reader.word('Value').text;
  return { kind, value };
}

function readSegment(reader: TokenReader): RepositorySegment {
  const at = reader.peek()?.at ?? { line: 0, column: 0 };
  if (reader.takeWord('RECORD', 'NUMBER')) return { kind: 'record number', at };
  if (reader.takeWord('LITERAL')) {
    const isString = reader.peek()?.kind === 'string';
    const value = isString ? reader.string('the literal') : reader.word('the literal').text;
    return { kind: 'literal', at, value };
  }
  if (reader.takeWord('EXTERNAL')) {
    const structure = reader.word('the structure of the segment').upper;
    return {
      kind: 'external',
      at,
      structure,
      field: reader.word('the field of the segment').upper,
    };
  }
  if (!reader.takeWord('FIELD')) {
    reader.fail('a Segment is FIELD, LITERAL, EXTERNAL or RECORD NUMBER');
  }
  return {
    kind: 'field',
    at,
    field: reader.word('the field of the segment').upper,
    ...readSegmentFacts(reader),
  };
}

function readSegmentFacts(reader: TokenReader): { type?: SegmentType; order?: SegmentOrder } {
  const facts: { type?: SegmentType; order?: SegmentOrder } = {};
  for (;;) {
    if (reader.takeWord('SEGTYPE')) facts.type = reader.meaning('SegType', SEGMENT_TYPE_WORDS);
    else if (reader.takeWord('SEGORDER')) {
      facts.order = reader.meaning('SegOrder', SEGMENT_ORDER_WORDS);
    } else return facts;
  }
}
