// What a repository holds, as its text says it: nothing is resolved yet (templates, struct references and
// overlays are still names). parse-repository.ts makes it, layout.ts resolves it.

import type { NullKeySpec, SegmentOrder, SegmentType } from '../file-spec.js';

/** 1-based place in the text, as editors count. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Attributes a field, group or template states; absent ones come from its template. */
export interface FieldAttributes {
  readonly type?: RepositoryFieldType;
  readonly size?: number;
  readonly precision?: number;
  /** Format of a date or time, or how an alpha or user field is stored. */
  readonly stored?: string;
  readonly dimension?: readonly number[];
  readonly coercedType?: string;
  readonly enumeration?: string;
  readonly struct?: string;
  readonly userType?: string;
  readonly description?: string;
  readonly overlay?: Overlay;
}

/** `field`: the member it lies over; absent for a group, which lies over the member before it. */
export interface Overlay {
  readonly field?: string;
  /** Bytes from the start of what it lies over. */
  readonly offset: number;
}

export type RepositoryFieldType =
  | 'alpha'
  | 'decimal'
  | 'integer'
  | 'date'
  | 'time'
  | 'user'
  | 'boolean'
  | 'enum'
  | 'struct'
  | 'autoseq'
  | 'autotime'
  | 'binary';

export interface RepositoryTemplate {
  readonly name: string;
  readonly at: Place;
  readonly parent?: string;
  readonly attributes: FieldAttributes;
}

export interface RepositoryField {
  readonly kind: 'field';
  readonly name: string;
  readonly at: Place;
  readonly template?: string;
  readonly attributes: FieldAttributes;
}

export interface RepositoryGroup {
  readonly kind: 'group';
  readonly name: string;
  readonly at: Place;
  readonly template?: string;
  readonly attributes: FieldAttributes;
  /** Structure whose fields are the members; then there are none of its own. */
  readonly reference?: string;
  /** Put before the names of the members. */
  readonly prefix?: string;
  readonly members: RepositoryMember[];
}

export type RepositoryMember = RepositoryField | RepositoryGroup;

export type RepositorySegment = { readonly at: Place } & (
  | {
      readonly kind: 'field';
      readonly field: string;
      readonly type?: SegmentType;
      readonly order?: SegmentOrder;
    }
  | { readonly kind: 'literal'; readonly value: string }
  | { readonly kind: 'external'; readonly structure: string; readonly field: string }
  | { readonly kind: 'record number' }
);

export interface RepositoryKey {
  readonly name: string;
  readonly at: Place;
  /** Access keys are in the file; foreign keys only lead to other files. */
  readonly access: boolean;
  readonly order: SegmentOrder;
  /** Absent: refused for the primary key, allowed for the others. */
  readonly dups?: boolean;
  readonly insert: 'front' | 'end';
  readonly modifiable: boolean;
  readonly nullKey?: NullKeySpec;
  readonly density?: number;
  /** Number of the key of reference; absent: its place among the access keys. */
  readonly krf?: number;
  readonly description?: string;
  readonly segments: readonly RepositorySegment[];
}

export interface RepositoryRelation {
  readonly number: number;
  readonly key: string;
  readonly toStructure: string;
  readonly toKey: string;
}

/** A condition that tells the structures of one file apart, in its own words. */
export interface RepositoryTag {
  readonly at: Place;
  readonly words: readonly string[];
}

export interface RepositoryStructure {
  readonly name: string;
  readonly at: Place;
  /** `DBL ISAM`, `RELATIVE`, `ASCII`, … */
  readonly fileType: string;
  readonly description?: string;
  readonly members: RepositoryMember[];
  readonly keys: RepositoryKey[];
  readonly relations: RepositoryRelation[];
  readonly tags: RepositoryTag[];
}

export interface RepositoryFile {
  readonly name: string;
  readonly at: Place;
  readonly fileType: string;
  readonly path: string;
  readonly description?: string;
  /** Structures that describe its records. */
  readonly structures: readonly string[];
}

export interface RepositoryEnumeration {
  readonly name: string;
  readonly at: Place;
  readonly members: readonly { readonly name: string; readonly value: number }[];
}

export interface RepositoryFormat {
  readonly name: string;
  readonly at: Place;
  readonly picture: string;
}

export interface RepositoryAlias {
  readonly name: string;
  readonly at: Place;
  /** The structure, or the field of the alias's structure, it stands for. */
  readonly target: string;
  readonly fields: readonly { readonly name: string; readonly field: string }[];
}

/** Everything by upper-case name, in the order of the text. */
export interface Repository {
  /** For messages: mostly a file name. */
  readonly source: string;
  readonly structures: ReadonlyMap<string, RepositoryStructure>;
  readonly templates: ReadonlyMap<string, RepositoryTemplate>;
  readonly enumerations: ReadonlyMap<string, RepositoryEnumeration>;
  readonly formats: ReadonlyMap<string, RepositoryFormat>;
  readonly files: ReadonlyMap<string, RepositoryFile>;
  readonly aliases: ReadonlyMap<string, RepositoryAlias>;
}
