// The door to repositories: what isutl and whoever creates files asks of a schema file. The work is done in
// repository/.

import { RsyndError } from '../base/error.js';
import type { FieldSpec, FileSpec, KeySpec } from './file-spec.js';
import { nearestWord } from './keyword.js';
import { makeFieldSpecs } from './repository/field-specs.js';
import { layOutStructure } from './repository/layout.js';
import type { Repository, RepositoryStructure } from './repository/model.js';
import { makeKeySpecs } from './repository/repository-keys.js';

export type { Repository } from './repository/model.js';
export { parseRepository } from './repository/parse-repository.js';

/** Names of the structures, in the order of the text. */
export const structureNames = (repository: Repository): string[] => [
  ...repository.structures.keys(),
];

/** Fields of a structure, groups flattened, offsets from 0. Throws ERR_BADDEF. */
export function fieldsOf(repository: Repository, structureName: string): FieldSpec[] {
  const structure = findStructure(repository, structureName);
  return makeFieldSpecs(layOutStructure(repository, structure).members, repository.source);
}

/** Access keys of a structure by number of the key of reference. Throws ERR_BADDEF. */
export function keysOf(repository: Repository, structureName: string): KeySpec[] {
  const structure = findStructure(repository, structureName);
  return makeKeySpecs(structure.keys, layOutStructure(repository, structure), repository.source);
}

/** Bytes of a record of the structure. Throws ERR_BADDEF. */
export function structureSize(repository: Repository, structureName: string): number {
  return layOutStructure(repository, findStructure(repository, structureName)).size;
}

/**
 * Gives a definition its fields. Throws ERR_BADDEF when they are not of its record: their bytes are as
 * many as those of a fixed record, and no more than those of another.
 */
export function withFields(spec: FileSpec, fields: readonly FieldSpec[]): FileSpec {
  const { size, format } = spec.record;
  const fieldBytes = fields.reduce((end, field) => Math.max(end, endOf(field)), 0);
  const fits = format === 'fixed' ? fieldBytes === size : fieldBytes <= size;
  if (!fits) {
    const why = `the fields take ${fieldBytes} bytes, but the record (${format}) has ${size}`;
    throw new RsyndError('ERR_BADDEF', `${why}; is it the right structure?`);
  }
  return { ...spec, fields };
}

const endOf = ({ offset, length, dimension = [] }: FieldSpec): number =>
  offset + length * dimension.reduce((product, size) => product * size, 1);

/** By name or alias, case-blind. */
function findStructure(repository: Repository, name: string): RepositoryStructure {
  const wanted = name.toUpperCase();
  const target = repository.aliases.get(wanted)?.target ?? wanted;
  const structure = repository.structures.get(wanted) ?? repository.structures.get(target);
  if (structure !== undefined) return structure;
  const near = nearestWord(wanted, structureNames(repository));
  const hint = near === undefined ? '' : `, did you mean ${near}`;
  throw new RsyndError('ERR_BADDEF', `${repository.source} has no structure ${name}${hint}`, {
    file: repository.source,
  });
}
