// Makes the keys of a file from those of a repository structure: access keys only, in the order of their
// numbers, their fields looked up in the layout.

import type { KeySpec, SegmentSpec, SegmentType } from '../file-spec.js';
import { elementsOf, type LaidOut, type Layout } from './layout.js';
import type { RepositoryKey, RepositorySegment } from './model.js';
import { failRepository } from './tokens.js';

/** Throws ERR_BADDEF for segments that are no bytes of the record. */
export function makeKeySpecs(
  keys: readonly RepositoryKey[],
  layout: Layout,
  source: string,
): KeySpec[] {
  const access = keys.filter((key) => key.access);
  const numbered = access.map((key, index) => ({ key, number: key.krf ?? index, index }));
  numbered.sort((a, b) => a.number - b.number || a.index - b.index);
  return numbered.map(({ key }, number) => makeKeySpec(key, number, layout, source));
}

function makeKeySpec(key: RepositoryKey, number: number, layout: Layout, source: string): KeySpec {
  const dups = key.dups ?? number > 0;
  return {
    name: key.name,
    segments: key.segments.map((segment) => makeSegment(segment, key, layout, source)),
    dups: !dups ? 'none' : key.insert === 'end' ? 'fifo' : 'lifo',
    modifiable: key.modifiable,
    ...(key.nullKey === undefined ? {} : { nullKey: key.nullKey }),
    ...(key.density === undefined ? {} : { density: key.density }),
  };
}

function makeSegment(
  segment: RepositorySegment,
  key: RepositoryKey,
  layout: Layout,
  source: string,
): SegmentSpec {
  if (segment.kind !== 'field') {
    const why = `key ${key.name} has a segment of kind ${segment.kind}, which is not in the record`;
    return failRepository(source, segment.at, why);
  }
  const found = findMember(layout.members, segment.field.split('.'));
  if (found === undefined) {
    const why = `key ${key.name} has field ${segment.field}, which the structure has not`;
    return failRepository(source, segment.at, why);
  }
  return {
    offset: found.offset,
    length: found.length * elementsOf(found.dimension),
    type: segment.type ?? defaultType(found),
    order: segment.order ?? key.order,
  };
}

/** A member by its path; a single name is looked for inside of groups too, the outermost first. */
function findMember(members: readonly LaidOut[], path: readonly string[]): LaidOut | undefined {
  const [name, ...rest] = path;
  const here = members.find(({ member }) => member.name === name);
  if (here !== undefined) return rest.length === 0 ? here : findMember(here.members, rest);
  for (const { members: inner } of members) {
    const found = findMember(inner, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

function defaultType({ attributes, members }: LaidOut): SegmentType {
  if (members.length > 0) return 'alpha';
  switch (attributes.type) {
    case 'decimal':
    case 'date':
    case 'time':
      return 'decimal';
    case 'integer':
    case 'enum':
    case 'boolean':
      return 'integer';
    case 'autoseq':
      return 'sequence';
    case 'autotime':
      return 'timestamp';
    default:
      return 'alpha';
  }
}
