// The errors every engine raises alike, and the checks that come before a step. Engines call these;
// none of them ever puts a path's directory or the content of a record into a message.

import { basename } from 'node:path';
import { RsyndError } from '../../shared/base/error.js';
import { indexKeyBytesMax, recordBytesMax } from '../../shared/base/limits.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { Edge, IndexKeys } from './engine.js';
import { INSERTION_BYTES } from './place.js';

export function fileNotFound(path: string, cause?: unknown): RsyndError {
  const file = basename(path);
  return new RsyndError('ERR_FNF', `${file}; check the name and its directory`, { file, cause });
}

export function fileExists(path: string): RsyndError {
  const file = basename(path);
  return new RsyndError('ERR_REPLAC', `${file} is there already; delete it first`, { file });
}

export function fileIsOpen(path: string): RsyndError {
  const file = basename(path);
  return new RsyndError('ERR_FINUSE', `${file} is open; close it before it is deleted`, { file });
}

export function duplicateKey(path: string, spec: FileSpec, key: number): RsyndError {
  const file = basename(path);
  const name = spec.keys[key]?.name ?? '';
  const why = `key ${key} (${name}) of ${file} allows no duplicates and has this value already`;
  return new RsyndError('ERR_NODUPS', why, { file });
}

export function recordLimitReached(path: string, limit: number): RsyndError {
  const file = basename(path);
  const why = `${file} is limited to ${limit} records; delete some or raise its limit`;
  return new RsyndError('ERR_FILFUL', why, { file });
}

export function sizeLimitReached(path: string, limitMb: number): RsyndError {
  const file = basename(path);
  const why = `${file} is limited to ${limitMb} MB; raise its limit`;
  return new RsyndError('ERR_FILFUL', why, { file });
}

export function isClosed(path: string): TypeError {
  return new TypeError(`${basename(path)} is closed`);
}

/** Before a record is stored: TypeError when its keys are not one per index, ERR_IRCSIZ, ERR_BADKEY. */
export function checkRecord(spec: FileSpec, record: Uint8Array, keys: IndexKeys): void {
  if (keys.length !== spec.keys.length) {
    throw new TypeError(`${keys.length} index keys for ${spec.keys.length} keys`);
  }
  if (record.length === 0 || record.length > recordBytesMax) {
    const why = `a record has 1 to ${recordBytesMax} bytes, not ${record.length}`;
    throw new RsyndError('ERR_IRCSIZ', why);
  }
  for (const key of keys) {
    if (key === undefined || (key.length > 0 && key.length <= indexKeyBytesMax)) continue;
    const why = `an index key has 1 to ${indexKeyBytesMax} bytes, not ${key.length}`;
    throw new RsyndError('ERR_BADKEY', why);
  }
}

/** Before an edge is searched for: ERR_BADKEY when no place can be so long. */
export function checkEdge(edge: Edge): void {
  if (edge.prefix.length <= indexKeyBytesMax + INSERTION_BYTES) return;
  const why = `no index key is longer than ${indexKeyBytesMax} bytes, as this value is`;
  throw new RsyndError('ERR_BADKEY', why);
}

/** TypeError when stored records and indexes would not fit the new definition. */
export function checkSameLayout(now: FileSpec, next: FileSpec): void {
  const sameKeys =
    now.keys.length === next.keys.length &&
    now.keys.every(
      (key, number) =>
        next.keys[number]?.dups === key.dups &&
        JSON.stringify(next.keys[number]?.segments) === JSON.stringify(key.segments),
    );
  if (sameKeys && now.record.format === next.record.format && now.record.size === next.record.size)
    return;
  throw new TypeError('setSpec cannot change records or keys; make a new file and load it');
}
