// Index bytes: turns the key of a record, or a value searched for, into bytes whose memcmp order is
// the order of the key. isam/ compiles each key once per open file; the store below only ever sees
// the result. The bytes of each segment are collate-segment.ts. Knows nothing of indexes,
// duplicates or fields.

import { RsyndError } from '../base/error.js';
import { type Transcribe, transcriberOf } from './collate-segment.js';
import { type KeySpec, keyLength, type SegmentSpec, type SegmentType } from './file-spec.js';
import { compileNullTest } from './null-key.js';

/** How a value shorter than the key is meant: padded to a whole key, or the leading part of one. */
export type ValueMode = 'whole' | 'leading';

export interface CollatedValue {
  /** Index bytes or the leading part of them; may be the very value given: do not write to it. */
  readonly bytes: Uint8Array;
  /** True when `bytes` is a whole key: then an equal key has equal bytes. */
  readonly whole: boolean;
}

export interface CompiledKey {
  readonly spec: KeySpec;
  /** Bytes of the key in the record, segments concatenated. */
  readonly recordBytes: number;
  /** Bytes of each key in the index; fixed per key. */
  readonly indexBytes: number;
  /** A record shorter than this does not hold the whole key. */
  readonly reach: number;
  /**
   * Index bytes of a record, a copy the caller owns, or in `room`, which has `indexBytes`; undefined when the
   * null key leaves the record out. ERR_IRCSIZ when the record ends before the key does and the null key is
   * not `short`.
   */
  ofRecord(record: Uint8Array, room?: Uint8Array): Uint8Array | undefined;
  /**
   * Index bytes of a search value, given as bytes as in the record. ERR_BADKEY when it is longer
   * than the key; ERR_INVPKEY when it is shorter and cannot be padded (`whole`: match eq, gtr) or
   * cut (`leading`: match geq, gen) where it ends.
   */
  ofValue(value: Uint8Array, mode: ValueMode): CollatedValue;
}

interface Step {
  /** Offset in the record. */
  readonly from: number;
  /** Offset in the concatenated key. */
  readonly at: number;
  /** Offset in the index bytes. */
  readonly to: number;
  readonly length: number;
  /** Bytes the index has more than the record: the tag of a decimal. */
  readonly extra: 0 | 1;
  readonly type: SegmentType;
  readonly complement: boolean;
  readonly transcribe: Transcribe;
}

const BLANK = 0x20;

/** Prepares a key for fast use. The specification must have passed validateSpec. */
export function compileKey(spec: KeySpec): CompiledKey {
  const recordBytes = keyLength(spec);
  const steps = compileSteps(spec.segments);
  const last = steps[steps.length - 1];
  const indexBytes = last === undefined ? 0 : last.to + last.length + last.extra;
  const reach = Math.max(0, ...spec.segments.map((segment) => segment.offset + segment.length));
  const isNull = compileNullTest(spec);
  const isShortLeftOut = spec.nullKey?.kind === 'short';
  const context: ValueContext = {
    spec,
    steps,
    recordBytes,
    indexBytes,
    padFrom: padStart(spec.segments),
    isPlain: steps.every((step) => step.type === 'alpha' && !step.complement),
  };

  return {
    spec,
    recordBytes,
    indexBytes,
    reach,
    ofRecord(record, room) {
      if (record.length < reach) {
        if (isShortLeftOut) return undefined;
        throw tooShort(spec, reach, record.length);
      }
      if (isNull?.(record)) return undefined;
      const target = room ?? Buffer.allocUnsafe(indexBytes);
      for (const step of steps) transcribeStep(step, record, step.from, step.length, target);
      return target;
    },
    ofValue: (value, mode) => collate(context, value, mode),
  };
}

/** As `compileKey(key).ofRecord(record)`, for callers with one record only. */
export const collateKey = (key: KeySpec, record: Uint8Array): Uint8Array | undefined =>
  compileKey(key).ofRecord(record);

/** As `compileKey(key).ofValue(value, mode)`, for callers with one value only. */
export const collateValue = (key: KeySpec, value: Uint8Array, mode: ValueMode): CollatedValue =>
  compileKey(key).ofValue(value, mode);

interface ValueContext {
  readonly spec: KeySpec;
  readonly steps: readonly Step[];
  readonly recordBytes: number;
  readonly indexBytes: number;
  /**
   * From this offset of the key on all segments are text, so that blanks may stand in for the rest.
   */
  readonly padFrom: number;
  /** All segments alpha and ascending: index bytes and record bytes are the same. */
  readonly isPlain: boolean;
}

function collate(key: ValueContext, given: Uint8Array, mode: ValueMode): CollatedValue {
  if (given.length > key.recordBytes) throw tooLong(key, given.length);
  const value = mode === 'whole' && given.length < key.recordBytes ? pad(key, given) : given;
  const whole = value.length === key.recordBytes;
  if (key.isPlain) return { bytes: value, whole };

  const target = Buffer.allocUnsafe(key.indexBytes);
  let written = 0;
  for (const step of key.steps) {
    const length = Math.min(step.length, value.length - step.at);
    if (length <= 0) break;
    if (length < step.length && !isDivisible(step.type)) throw cutInside(key, step);
    transcribeStep(step, value, step.at, length, target);
    written = step.to + length + step.extra;
  }
  return { bytes: target.subarray(0, written), whole };
}

function pad(key: ValueContext, value: Uint8Array): Uint8Array {
  if (value.length < key.padFrom) {
    throw new RsyndError(
      'ERR_INVPKEY',
      `key ${key.spec.name} has ${key.recordBytes} bytes and the value ${value.length}; ` +
        'the missing part is not text, so give the whole key, or use match gen or geq',
    );
  }
  const padded = Buffer.alloc(key.recordBytes, BLANK);
  padded.set(value);
  return padded;
}

const tooShort = (spec: KeySpec, reach: number, length: number): RsyndError =>
  new RsyndError(
    'ERR_IRCSIZ',
    `the record has ${length} bytes, key ${spec.name} needs its first ${reach}`,
  );

const tooLong = (key: ValueContext, length: number): RsyndError =>
  new RsyndError(
    'ERR_BADKEY',
    `key ${key.spec.name} has ${key.recordBytes} bytes, the value given ${length}`,
  );

const cutInside = (key: ValueContext, step: Step): RsyndError =>
  new RsyndError(
    'ERR_INVPKEY',
    `the value ends inside the ${step.type} segment at byte ${step.at + 1} of key ` +
      `${key.spec.name}; a partial key may end inside text or digits, or between segments`,
  );

const isText = (type: SegmentType): boolean => type === 'alpha' || type === 'nocase';
const isDivisible = (type: SegmentType): boolean => isText(type) || type === 'decimal';

/** Where the run of text segments at the end of the key begins. */
function padStart(segments: readonly SegmentSpec[]): number {
  let start = 0;
  let end = 0;
  for (const segment of segments) {
    end += segment.length;
    if (!isText(segment.type)) start = end;
  }
  return start;
}

function compileSteps(segments: readonly SegmentSpec[]): Step[] {
  let at = 0;
  let to = 0;
  return segments.map((segment): Step => {
    const extra = segment.type === 'decimal' ? 1 : 0;
    const step: Step = {
      from: segment.offset,
      at,
      to,
      length: segment.length,
      extra,
      type: segment.type,
      complement: segment.order === 'descending',
      transcribe: transcriberOf(segment.type),
    };
    at += segment.length;
    to += segment.length + extra;
    return step;
  });
}

function transcribeStep(
  step: Step,
  source: Uint8Array,
  from: number,
  length: number,
  target: Uint8Array,
): void {
  step.transcribe(source, from, length, target, step.to, length < step.length);
  if (!step.complement) return;
  const end = step.to + length + step.extra;
  for (let index = step.to; index < end; index++) target[index] = ~(target[index] ?? 0);
}
