// Where everything of a structure lies in the record: templates applied, structs and group references
// followed, groups counted, overlays placed. The answer is a tree; field-specs.ts makes fields of it and
// repository-keys.ts looks segments up in it.
//
//   member     offset   length   elements
//   FIELD      0        6        1
//   GROUP      6        25       3            members once, with offsets of the first element
//     LINE     6        25       1

import type {
  FieldAttributes,
  Repository,
  RepositoryMember,
  RepositoryStructure,
} from './model.js';
import { failRepository } from './tokens.js';

export interface LaidOut {
  readonly member: RepositoryMember;
  /** Own and template's attributes. */
  readonly attributes: FieldAttributes;
  /** 0-based in the record, of the first element of each array around it. */
  readonly offset: number;
  /** Bytes of one element. */
  readonly length: number;
  readonly dimension: readonly number[];
  readonly overlay: boolean;
  /** Empty for fields of a scalar type. */
  readonly members: readonly LaidOut[];
}

export interface Layout {
  readonly members: readonly LaidOut[];
  /** Bytes of the whole. */
  readonly size: number;
}

/** Structures and templates may not be nested deeper: it can only be a circle. */
const DEPTH_MAX = 32;

/** Throws ERR_BADDEF for names that are not there, circles and sizes that contradict each other. */
export function layOutStructure(repository: Repository, structure: RepositoryStructure): Layout {
  return new LayoutMaker(repository).members(structure.members, 0, 0);
}

export const elementsOf = (dimension: readonly number[]): number =>
  dimension.reduce((product, size) => product * size, 1);

class LayoutMaker {
  readonly #repository: Repository;

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  /** Members one behind the other from `start`; overlays lie over what is there already. */
  members(members: readonly RepositoryMember[], start: number, depth: number): Layout {
    const laidOut: LaidOut[] = [];
    let next = start;
    let end = start;
    for (const member of members) {
      const attributes = this.#attributes(member);
      const { overlay } = attributes;
      const offset = overlay === undefined ? next : this.#overlaid(member, attributes, laidOut);
      const placed = this.#place(member, attributes, offset, depth);
      laidOut.push(placed);
      const placedEnd = offset + placed.length * elementsOf(placed.dimension);
      if (overlay === undefined) next = placedEnd;
      end = Math.max(end, placedEnd);
    }
    return { members: laidOut, size: end - start };
  }

  #place(
    member: RepositoryMember,
    attributes: FieldAttributes,
    offset: number,
    depth: number,
  ): LaidOut {
    if (depth > DEPTH_MAX) this.#fail(member, 'is part of itself');
    const inner = this.#inner(member, attributes, offset, depth + 1);
    const length = attributes.size ?? inner?.size;
    if (length === undefined) return this.#fail(member, 'has no Size');
    if (inner !== undefined && inner.size > length) {
      this.#fail(member, `has Size ${length}, but its members take ${inner.size} bytes`);
    }
    return {
      member,
      attributes,
      offset,
      length,
      dimension: attributes.dimension ?? [],
      overlay: attributes.overlay !== undefined,
      members: inner?.members ?? [],
    };
  }

  /** The layout inside of a group or struct; undefined for a scalar field. */
  #inner(
    member: RepositoryMember,
    attributes: FieldAttributes,
    offset: number,
    depth: number,
  ): Layout | undefined {
    if (member.kind === 'group' && member.reference === undefined) {
      return this.members(member.members, offset, depth);
    }
    const name = member.kind === 'group' ? member.reference : attributes.struct;
    if (name === undefined) return undefined;
    const structure = this.#repository.structures.get(name);
    if (structure === undefined)
      return this.#fail(member, `refers to structure ${name}, which is not there`);
    return this.members(structure.members, offset, depth);
  }

  #attributes(member: RepositoryMember): FieldAttributes {
    const own = member.attributes;
    const attributes =
      member.template === undefined
        ? own
        : { ...this.#ofTemplate(member, member.template, 0), ...own };
    if (member.kind === 'field') {
      if (attributes.type === undefined) this.#fail(member, 'has no Type, nor has its template');
      if (attributes.size === undefined) this.#fail(member, 'has no Size, nor has its template');
    }
    return attributes;
  }

  #ofTemplate(member: RepositoryMember, name: string, depth: number): FieldAttributes {
    const template = this.#repository.templates.get(name);
    if (template === undefined)
      return this.#fail(member, `has template ${name}, which is not there`);
    if (depth > DEPTH_MAX) this.#fail(member, `has template ${name}, which is its own parent`);
    if (template.parent === undefined) return template.attributes;
    return { ...this.#ofTemplate(member, template.parent, depth + 1), ...template.attributes };
  }

  /** Where an overlay lies: over the member it names, or over the one before it. */
  #overlaid(
    member: RepositoryMember,
    { overlay }: FieldAttributes,
    laidOut: readonly LaidOut[],
  ): number {
    const name = overlay?.field;
    const base =
      name === undefined
        ? laidOut.findLast((each) => !each.overlay)
        : laidOut.find((each) => each.member.name === name);
    if (base !== undefined) return base.offset + (overlay?.offset ?? 0);
    return this.#fail(member, `lies over ${name ?? 'the field before it'}, which is not there`);
  }

  #fail({ kind, name, at }: RepositoryMember, why: string): never {
    return failRepository(this.#repository.source, at, `${kind} ${name} ${why}`);
  }
}
