// Answers to ISINFO: what a file says of itself. Requests and their results are the field's own
// (%ISINFO and %ISINFOA); keys are numbered from 0, segments from 1.

import { type Answer, andThen } from '../../shared/base/answer.js';
import { RsyndError } from '../../shared/base/error.js';
import { type KeySpec, keyLength, type SegmentSpec } from '../../shared/record/file-spec.js';
import type { IsamFile } from './isam-file.js';

/** Revision of our file format that ISINFO REVISION reports; the field's newest is 6. */
const REVISION = 6;

const TYPE_LETTERS = {
  alpha: 'A',
  nocase: 'N',
  decimal: 'D',
  integer: 'I',
  unsigned: 'U',
  sequence: 'S',
  timestamp: 'T',
  ctimestamp: 'C',
} as const;

interface Question {
  readonly file: IsamFile;
  readonly keyNumber: number;
  readonly segmentNumber: number | undefined;
}

type Answering = (question: Question) => Answer<number | string>;

const ofKey =
  (answer: (key: KeySpec) => number | string): Answering =>
  ({ file, keyNumber }) =>
    answer(file.keySpec(keyNumber));

const ofSegment =
  (answer: (segment: SegmentSpec) => number | string): Answering =>
  (question) =>
    answer(segmentOf(question));

const flag = (value: boolean | undefined): number => (value === true ? 1 : 0);

const ANSWERS: Readonly<Record<string, Answering>> = {
  SIZE: ({ file }) => file.spec.record.size,
  NUMKEYS: ({ file }) => file.spec.keys.length,
  NUMRECS: ({ file }) => andThen(file.stored.facts(), (facts) => facts.records),
  BYTES: ({ file }) => andThen(file.stored.facts(), (facts) => facts.bytes),
  DEPTH: ({ file, keyNumber }) => {
    file.keySpec(keyNumber);
    return andThen(file.stored.facts(), (facts) => facts.depths[keyNumber] ?? 0);
  },
  KPOSITION: ofSegment((segment) => segment.offset + 1),
  KEYLENGTH: ({ file, keyNumber, segmentNumber }) =>
    segmentNumber === undefined
      ? keyLength(file.keySpec(keyNumber))
      : segmentOf({ file, keyNumber, segmentNumber }).length,
  SEGLENGTH: ofSegment((segment) => segment.length),
  KEYSEGMENTS: ofKey((key) => key.segments.length),
  KTYPE: ofSegment((segment) => TYPE_LETTERS[segment.type]),
  KEYNAME: ofKey((key) => key.name),
  KEYDENSITY: ({ file, keyNumber }) =>
    file.keySpec(keyNumber).density ?? file.spec.attributes.density ?? 50,
  DUPS: ofKey((key) => flag(key.dups !== 'none')),
  MODIFY: ofKey((key) => flag(key.modifiable)),
  ATEND: ofKey((key) => flag(key.dups === 'fifo')),
  ASCEND: ofSegment((segment) => flag(segment.order === 'ascending')),
  NULL: ofKey((key) => key.nullKey?.kind.toUpperCase() ?? 'NONE'),
  NULLVALUE: ofKey((key) => key.nullKey?.value ?? ''),
  REVISION: () => REVISION,
  PAGESIZE: ({ file }) => file.spec.attributes.pageSize ?? 4096,
  NETCRYPT: ({ file }) => flag(file.spec.networkEncrypt),
  FILENAME: ({ file }) => file.name,
  TEXT: ({ file }) => file.spec.text,
  FOPTS: ({ file }) => fileOptions(file),
};

/** All requests, for documentation and messages. */
export const ISINFO_REQUESTS: readonly string[] = Object.keys(ANSWERS);

/** Answers one request (case-blind). ERR_ISINFO, ERR_BADKEY. */
export function isinfo(
  file: IsamFile,
  request: string,
  keyNumber: number,
  segmentNumber: number | undefined,
): Answer<number | string> {
  const answering = Object.hasOwn(ANSWERS, request.toUpperCase())
    ? ANSWERS[request.toUpperCase()]
    : undefined;
  if (answering === undefined) {
    const why = `request ${JSON.stringify(request.slice(0, 40))} is not one of ${ISINFO_REQUESTS.join(', ')}`;
    throw new RsyndError('ERR_ISINFO', why, { file: file.name });
  }
  return answering({ file, keyNumber, segmentNumber });
}

function segmentOf({ file, keyNumber, segmentNumber = 1 }: Question): SegmentSpec {
  const { segments } = file.keySpec(keyNumber);
  const segment = segments[segmentNumber - 1];
  if (segment !== undefined) return segment;
  const why = `key ${keyNumber} of ${file.name} has segments 1 to ${segments.length}, not ${segmentNumber}`;
  throw new RsyndError('ERR_ISINFO', why, { file: file.name });
}

function fileOptions({ spec }: IsamFile): string {
  const { attributes: a, record } = spec;
  const words = [
    record.format.toUpperCase(),
    a.compressData && 'COMPRESS',
    a.eraseOnDelete && 'ERASE_ON_DELETE',
    spec.networkEncrypt && 'NETWORK_ENCRYPT',
    a.rollback === false && 'NOROLLBACK',
    a.pageSize !== undefined && `PAGE=${a.pageSize}`,
    a.recordLimit !== undefined && `RECORD_LIMIT=${a.recordLimit}`,
    a.resilient && 'RESILIENT',
    a.fullResilient && 'FULLRESILIENT',
    a.sizeLimit !== undefined && `SIZE_LIMIT=${a.sizeLimit}`,
    'STATIC_RFA',
    'STORED_GRFA',
    (a.addressing ?? 32) > 32 && 'TBYTE',
    a.trackChanges && 'TRACK_CHANGES',
    ...Object.values(spec.seeds ?? {}).map((seed) => `SEED=${seed}`),
    ...(a.portableIntegers ?? []).map(({ offset, length }) => `I=${offset + 1}:${length}`),
  ];
  return words.filter((word) => typeof word === 'string').join(',');
}
