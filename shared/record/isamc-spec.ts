// Reads the classic form of a file definition: the strings an ISAMC call takes. Called by the SDK's
// isamc() and by the server when it creates a file so described. Everything stated is obeyed, kept or an
// error with the word and its position.
//
//   options   'NETWORK_ENCRYPT,STATIC_RFA,PAGE=4096,I=5:4,9:2'
//   a key     'START=1:20,LENGTH=5:2,TYPE=A:D,NAME=state,DUPS,ATEND,MODIFY'

import { RsyndError } from '../base/error.js';
import { keysPerFileMax, recordBytesMax } from '../base/limits.js';
import type { FileSpec, KeySpec } from './file-spec.js';
import { readIsamcKey } from './isamc-key.js';
import { readIsamcOptions } from './isamc-options.js';

export interface IsamcSpec {
  /** File options with commas between; the record is fixed unless it says otherwise. */
  readonly options?: string;
  /** Bytes of a record, of the longest one where they vary. */
  readonly recordSize: number;
  /** One string a key, the first is the primary key. */
  readonly keys: readonly string[];
}

/** Makes a definition; it has no fields. Throws ERR_BADXDLS. */
export function parseIsamcSpec(spec: IsamcSpec): FileSpec {
  const { recordSize } = spec;
  if (!Number.isInteger(recordSize) || recordSize < 1 || recordSize > recordBytesMax) {
    fail(`recordSize is a whole number from 1 to ${recordBytesMax}, not ${recordSize}`);
  }
  if (spec.keys.length < 1 || spec.keys.length > keysPerFileMax) {
    fail(`a file has 1 to ${keysPerFileMax} keys, not ${spec.keys.length}`);
  }
  const { format, networkEncrypt, text, attributes } = readIsamcOptions(spec.options ?? '');
  const read = spec.keys.map((key, number) => readIsamcKey(key, number, recordSize));
  const keys = read.map(({ key }) => key);
  checkNames(keys);
  const seeds = read.flatMap(({ seed }, number) => (seed === undefined ? [] : [[number, seed]]));
  return {
    record: { size: recordSize, format },
    keys,
    fields: [],
    networkEncrypt,
    text,
    attributes,
    ...(seeds.length === 0 ? {} : { seeds: Object.fromEntries(seeds) }),
  };
}

function checkNames(keys: readonly KeySpec[]): void {
  const seen = new Map<string, number>();
  keys.forEach((key, number) => {
    const name = key.name.toUpperCase();
    const before = seen.get(name);
    if (before !== undefined) fail(`keys ${before} and ${number} are both named "${key.name}"`);
    seen.set(name, number);
  });
}

function fail(why: string): never {
  throw new RsyndError('ERR_BADXDLS', why);
}
