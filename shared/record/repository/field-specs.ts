// Makes the fields of a file from the layout of a structure: groups become parts of names, arrays of groups
// become one field per element, types become those of FieldSpec.

import { fieldsPerFileMax } from '../../base/limits.js';
import { isDateFormat, isTimeFormat } from '../date-format.js';
import type { FieldSpec, FieldType } from '../file-spec.js';
import { elementsOf, type LaidOut } from './layout.js';
import { failRepository } from './tokens.js';

/** Where a member is seen from: names before it, bytes before it, arrays around it. */
interface Frame {
  /** `ADDRESS.` or `LINES[2].`, and the prefix of the innermost group. */
  readonly before: string;
  /** Bytes added for the elements of arrays around it. */
  readonly shift: number;
  /** Arrays around it whose elements it fills: then it is an array of theirs too. */
  readonly dimension: readonly number[];
  readonly overlay: boolean;
}

/**
 * Fields in the order of the structure: `GROUP.FIELD`, `GROUP[2].FIELD`, or `GROUP.PREFIXFIELD` when the
 * group has a prefix. Throws ERR_BADDEF when two get one name or there are too many.
 */
export function makeFieldSpecs(members: readonly LaidOut[], source: string): FieldSpec[] {
  const fields: FieldSpec[] = [];
  const seen = new Set<string>();
  const add = (field: FieldSpec, { member }: LaidOut): void => {
    if (seen.has(field.name)) {
      failRepository(
        source,
        member.at,
        `two fields get the name ${field.name}; give a group a Prefix`,
      );
    }
    if (fields.length === fieldsPerFileMax) {
      failRepository(source, member.at, `a file has at most ${fieldsPerFileMax} fields`);
    }
    seen.add(field.name);
    fields.push(field);
  };
  flatten(members, { before: '', shift: 0, dimension: [], overlay: false }, source, add);
  return fields;
}

type Add = (field: FieldSpec, laidOut: LaidOut) => void;

function flatten(members: readonly LaidOut[], frame: Frame, source: string, add: Add): void {
  for (const laidOut of members) {
    if (laidOut.members.length > 0) flattenGroup(laidOut, frame, source, add);
    else if (laidOut.length > 0) add(makeField(laidOut, frame, source), laidOut);
  }
}

function flattenGroup(laidOut: LaidOut, frame: Frame, source: string, add: Add): void {
  const { member, members, dimension, length } = laidOut;
  const name = frame.before + member.name;
  const prefix = member.kind === 'group' ? (member.prefix ?? '') : '';
  const overlay = frame.overlay || laidOut.overlay;
  const [only] = members;
  const isFilled =
    members.length === 1 &&
    only !== undefined &&
    only.length * elementsOf(only.dimension) === length;
  if (isFilled || dimension.length + frame.dimension.length === 0) {
    const around = [...frame.dimension, ...dimension];
    const inner = { before: `${name}.${prefix}`, shift: frame.shift, dimension: around, overlay };
    flatten(members, inner, source, add);
    return;
  }
  const all = [...frame.dimension, ...dimension];
  for (let element = 0; element < elementsOf(all); element++) {
    const before = `${name}[${subscripts(element, all).join(',')}].${prefix}`;
    const shift = frame.shift + element * length;
    flatten(members, { before, shift, dimension: [], overlay }, source, add);
  }
}

/** 1-based subscripts of an element, the last one moving fastest. */
function subscripts(element: number, dimension: readonly number[]): number[] {
  let rest = element;
  return dimension
    .toReversed()
    .map((size) => {
      const subscript = (rest % size) + 1;
      rest = Math.floor(rest / size);
      return subscript;
    })
    .toReversed();
}

function makeField(laidOut: LaidOut, frame: Frame, source: string): FieldSpec {
  const { member, attributes, length } = laidOut;
  const dimension = [...frame.dimension, ...laidOut.dimension];
  const { precision, description } = attributes;
  const { type, format } = fieldType(laidOut, source);
  if (precision !== undefined && precision > length) {
    const why = `field ${member.name} has Precision ${precision} in ${length} digits`;
    failRepository(source, member.at, why);
  }
  return {
    name: frame.before + member.name,
    type,
    offset: laidOut.offset + frame.shift,
    length,
    ...(precision && type === 'decimal' ? { precision } : {}),
    ...(format === undefined ? {} : { format }),
    ...(dimension.length === 0 ? {} : { dimension }),
    ...(frame.overlay || laidOut.overlay ? { overlay: true } : {}),
    ...(description === undefined ? {} : { description }),
  };
}

interface TypeAndFormat {
  readonly type: FieldType;
  readonly format?: string;
}

const UNSIGNED_TYPES: ReadonlySet<string> = new Set(['BYTE', 'USHORT', 'UINT', 'ULONG']);

function fieldType(laidOut: LaidOut, source: string): TypeAndFormat {
  const { attributes, length, member } = laidOut;
  const { type, stored, coercedType } = attributes;
  switch (type) {
    case 'decimal':
    case 'binary':
      return { type };
    case 'user':
      return { type: userType(stored) };
    case 'date':
    case 'time':
      return calendarType(type, laidOut, source);
    case 'integer':
    case 'enum':
    case 'autoseq':
    case 'autotime':
    case 'boolean':
      if (length > 8) {
        failRepository(
          source,
          member.at,
          `field ${member.name} is ${type} of ${length} bytes, at most 8`,
        );
      }
      if (type === 'boolean') return { type };
      return { type: UNSIGNED_TYPES.has(coercedType ?? '') ? 'unsigned' : 'integer' };
    default:
      return { type: stored === 'BINARY' ? 'binary' : 'alpha' };
  }
}

/** A user field is text unless it says how else it is stored; a user's date is text in his own format. */
function userType(stored: string | undefined): FieldType {
  if (stored === 'BINARY') return 'binary';
  return stored === 'NUMERIC' ? 'decimal' : 'alpha';
}

const DEFAULT_FORMATS = {
  date: ['YYYYMMDD', 'YYMMDD', 'YYYYJJJ', 'YYJJJ', 'YYPP'],
  time: ['HHMM', 'HHMMSS'],
} as const;

function calendarType(type: 'date' | 'time', laidOut: LaidOut, source: string): TypeAndFormat {
  const { attributes, length, member } = laidOut;
  const format =
    attributes.stored ?? DEFAULT_FORMATS[type].find((known) => known.length === length);
  const isKnown = type === 'date' ? isDateFormat : isTimeFormat;
  if (format === undefined || !isKnown(format)) {
    failRepository(
      source,
      member.at,
      `field ${member.name} is a ${type} Stored ${format ?? 'nohow'}`,
    );
  }
  if (format.length !== length) {
    const why = `field ${member.name} is ${format}, which is ${format.length} bytes, not ${length}`;
    failRepository(source, member.at, why);
  }
  return { type, format };
}
