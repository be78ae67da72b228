// Reads the small statements of a repository: enumerations, formats, relations, files, tags, aliases.

import type {
  RepositoryEnumeration,
  RepositoryFile,
  RepositoryFormat,
  RepositoryRelation,
  RepositoryTag,
} from './model.js';
import type { Statement } from './statements.js';
import type { Token, TokenReader } from './tokens.js';

/** `Enumeration NAME Members RED 0, BLUE, GREEN 5`: a member without a value follows the one before. */
export function parseEnumeration({ rest: reader, token }: Statement): RepositoryEnumeration {
  const name = reader.word('the name of the enumeration').upper;
  if (reader.takeWord('DESCRIPTION')) reader.string('Description');
  const members: { name: string; value: number }[] = [];
  if (!reader.takeWord('MEMBERS')) reader.fail(`enumeration ${name} has no Members`);
  for (let next = 0; ; next++) {
    const member = reader.word('the name of a member').text;
    const stated = /^-?\d+$/.test(reader.peek()?.text ?? '') ? Number(reader.take()?.text) : next;
    members.push({ name: member, value: stated });
    next = stated;
    if (reader.peek()?.text !== ',') break;
    reader.take();
  }
  const surplus = reader.peek();
  if (surplus !== undefined) reader.failAt(surplus.at, `"${surplus.text}" follows the members`);
  return { name, at: token.at, members };
}

/** `Format NAME Type NUMERIC "(XXX) XXX-XXXX" Justify RIGHT`. */
export function parseFormat({ rest: reader, token }: Statement): RepositoryFormat {
  const name = reader.word('the name of the format').upper;
  if (!reader.takeWord('TYPE')) reader.fail(`format ${name} has no Type`);
  reader.word('the type of the format');
  return { name, at: token.at, picture: reader.string('the picture of the format') };
}

/** `Relation 1 FROM KEY TO KEY`; FROM is the structure it stands in. */
export function parseRelation({ rest: reader }: Statement): RepositoryRelation {
  const number = reader.number('the number of the relation');
  reader.word('the structure of the relation');
  const key = reader.word('the key of the relation').upper;
  const toStructure = reader.word('the structure related to').upper;
  return { number, key, toStructure, toKey: reader.word('the key related to').upper };
}

/** `Tag FIELD 1 NAME EQ "X" …`, kept as its words. */
export function parseTag({ rest, token }: Statement): RepositoryTag {
  const words = remaining(rest).map(({ text }) => text);
  if (words.length === 0) rest.fail('the tag says nothing');
  return { at: token.at, words };
}

/** `File NAME DBL ISAM "DAT:orders.ism" … Assign STRUCTURE [, STRUCTURE]`. */
export function parseFile({ rest: reader, token }: Statement): RepositoryFile {
  const name = reader.word('the name of the file').upper;
  const fileType = readFileType(reader, 'the type of the file');
  const path = reader.string('the path of the file');
  const structures: string[] = [];
  let description: string | undefined;
  for (let next = reader.take(); next !== undefined; next = reader.take()) {
    if (next.upper === 'DESCRIPTION') description = reader.string('Description');
    else if (next.upper === 'ASSIGN') structures.push(...readAssigned(reader));
  }
  return {
    name,
    at: token.at,
    fileType,
    path,
    structures,
    ...(description === undefined ? {} : { description }),
  };
}

function readAssigned(reader: TokenReader): string[] {
  const structures = [reader.word('the structure assigned').upper];
  for (;;) {
    if (reader.takeWord('ODBC', 'NAME')) reader.word('ODBC Name');
    if (reader.peek()?.text !== ',') return structures;
    reader.take();
    structures.push(reader.word('the structure assigned').upper);
  }
}

const FILE_TYPES = ['ASCII', 'DBL ISAM', 'RELATIVE', 'USER DEFINED'];

/** One or two words: `RELATIVE`, `DBL ISAM`. */
export function readFileType(reader: TokenReader, what: string): string {
  const found = FILE_TYPES.find((type) => reader.takeWord(...type.split(' ')));
  return found ?? reader.fail(`${what} is missing (${FILE_TYPES.join(', ')})`);
}

const remaining = (reader: TokenReader): readonly Token[] => {
  const tokens: Token[] = [];
  for (let token = reader.take(); token !== undefined; token = reader.take()) tokens.push(token);
  return tokens;
};
