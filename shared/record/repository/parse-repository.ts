// Reads a repository schema (.scm, Synergy Data Language) into its model. Called by isutl to give a file
// the names and types of its fields. The order of statements is meaning: fields, keys and relations
// belong to the structure before them, members to the group before them.

import { readAttributes, type StatedAttributes } from './field-attributes.js';
import type {
  Repository,
  RepositoryAlias,
  RepositoryField,
  RepositoryGroup,
  RepositoryMember,
  RepositoryStructure,
  RepositoryTemplate,
} from './model.js';
import { parseKey } from './parse-key.js';
import {
  parseEnumeration,
  parseFile,
  parseFormat,
  parseRelation,
  parseTag,
  readFileType,
} from './parse-others.js';
import { readStatements, type Statement, type StatementWord } from './statements.js';

type Mutable<M> = M extends ReadonlyMap<infer K, infer V> ? Map<K, V> : M;
type Draft = { readonly [P in keyof Repository]: Mutable<Repository[P]> };

/** The statement before decides what the next one belongs to. */
interface Context {
  readonly draft: Draft;
  structure?: RepositoryStructure | undefined;
  /** Open groups, the innermost last. */
  readonly groups: RepositoryGroup[];
  alias?: (RepositoryAlias & { readonly fields: { name: string; field: string }[] }) | undefined;
}

/**
 * Throws ERR_BADDEF with line and column for a broken statement. Attributes that do not concern the
 * layout of records are skipped. `fileName` is for messages.
 */
export function parseRepository(
  text: string,
  options: { readonly fileName?: string } = {},
): Repository {
  const source = options.fileName ?? 'repository';
  const draft: Draft = {
    source,
    structures: new Map(),
    templates: new Map(),
    enumerations: new Map(),
    formats: new Map(),
    files: new Map(),
    aliases: new Map(),
  };
  const context: Context = { draft, groups: [] };
  let last: Statement | undefined;
  for (const statement of readStatements(text, source)) {
    PARSERS[statement.word](statement, context);
    last = statement;
  }
  if (last !== undefined) refuseOpenGroup(last, context);
  return draft;
}

const PARSERS: { readonly [word in StatementWord]: (statement: Statement, to: Context) => void } = {
  FORMAT: (statement, { draft }) => {
    const format = parseFormat(statement);
    draft.formats.set(format.name, format);
  },
  ENUMERATION: (statement, { draft }) => {
    addOnce(draft.enumerations, parseEnumeration(statement), statement);
  },
  TEMPLATE: (statement, { draft }) => {
    addOnce(draft.templates, parseTemplate(statement), statement);
  },
  STRUCTURE: (statement, to) => {
    refuseOpenGroup(statement, to);
    to.structure = parseStructure(statement);
    addOnce(to.draft.structures, to.structure, statement);
  },
  FIELD: (statement, to) => membersOf(statement, to).push(parseField(statement)),
  GROUP: (statement, to) => {
    const group = parseGroup(statement);
    membersOf(statement, to).push(group);
    // A group by reference has its members elsewhere and no Endgroup.
    if (group.reference === undefined) to.groups.push(group);
  },
  ENDGROUP: (statement, to) => {
    const group = to.groups.pop();
    if (group === undefined) statement.rest.failAt(statement.token.at, 'Endgroup without a Group');
  },
  KEY: (statement, to) => structureOf(statement, to).keys.push(parseKey(statement)),
  RELATION: (statement, to) => structureOf(statement, to).relations.push(parseRelation(statement)),
  TAG: (statement, to) => structureOf(statement, to).tags.push(parseTag(statement)),
  ALIAS: parseAlias,
  FILE: (statement, to) => {
    refuseOpenGroup(statement, to);
    addOnce(to.draft.files, parseFile(statement), statement);
  },
};

function addOnce<T extends { readonly name: string }>(
  all: Map<string, T>,
  value: T,
  { rest, token }: Statement,
): void {
  if (all.has(value.name)) rest.failAt(token.at, `${token.text} ${value.name} is there twice`);
  all.set(value.name, value);
}

function structureOf({ rest, token }: Statement, { structure }: Context): RepositoryStructure {
  return structure ?? rest.failAt(token.at, `${token.text} stands before any Structure`);
}

function membersOf(statement: Statement, to: Context): RepositoryMember[] {
  return to.groups.at(-1)?.members ?? structureOf(statement, to).members;
}

function refuseOpenGroup({ rest }: Statement, { groups }: Context): void {
  const open = groups.at(-1);
  if (open !== undefined) rest.failAt(open.at, `group ${open.name} has no Endgroup`);
}

function parseStructure({ rest: reader, token }: Statement): RepositoryStructure {
  const name = reader.word('the name of the structure').upper;
  const fileType = readFileType(reader, 'the file type of the structure');
  const { attributes } = readAttributes(reader);
  const { description } = attributes;
  return {
    name,
    at: token.at,
    fileType,
    members: [],
    keys: [],
    relations: [],
    tags: [],
    ...(description === undefined ? {} : { description }),
  };
}

function parseTemplate({ rest: reader, token }: Statement): RepositoryTemplate {
  const name = reader.word('the name of the template').upper;
  const { attributes, parent } = readAttributes(reader);
  if (parent === undefined && attributes.type === undefined) {
    reader.failAt(token.at, `template ${name} has neither Type nor Parent`);
  }
  return { name, at: token.at, attributes, ...(parent === undefined ? {} : { parent }) };
}

function parseField({ rest: reader, token }: Statement): RepositoryField {
  const name = reader.word('the name of the field').upper;
  const stated = readAttributes(reader);
  const { attributes, template } = stated;
  if (template === undefined) {
    if (attributes.type === undefined) reader.failAt(token.at, `field ${name} has no Type`);
    if (attributes.size === undefined) reader.failAt(token.at, `field ${name} has no Size`);
  }
  if (attributes.type === 'struct' && attributes.struct === undefined) {
    reader.failAt(token.at, `field ${name} is of type STRUCT but names no Struct`);
  }
  return { kind: 'field', name, at: token.at, attributes, ...templateOf(stated) };
}

function parseGroup({ rest: reader, token }: Statement): RepositoryGroup {
  const name = reader.word('the name of the group').upper;
  const stated = readAttributes(reader);
  const { attributes, reference, prefix } = stated;
  return {
    kind: 'group',
    name,
    at: token.at,
    attributes,
    members: [],
    ...templateOf(stated),
    ...(reference === undefined ? {} : { reference }),
    ...(prefix === undefined ? {} : { prefix: prefix.toUpperCase() }),
  };
}

const templateOf = ({ template }: StatedAttributes): { template?: string } =>
  template === undefined ? {} : { template };

/** `Alias A Structure S`, then `Alias B Field F` for each field of it. */
function parseAlias({ rest: reader, token }: Statement, to: Context): void {
  const name = reader.word('the name of the alias').upper;
  if (reader.takeWord('STRUCTURE')) {
    const target = reader.word('the structure of the alias').upper;
    to.alias = { name, at: token.at, target, fields: [] };
    to.draft.aliases.set(name, to.alias);
    return;
  }
  if (!reader.takeWord('FIELD')) reader.fail('an Alias is of a Structure or a Field');
  const why = 'the Alias of a Field follows that of a Structure';
  const alias = to.alias ?? reader.failAt(token.at, why);
  alias.fields.push({ name, field: reader.word('the field of the alias').upper });
}
