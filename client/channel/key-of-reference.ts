// Which key a caller means: a number, or a name in any case. The file's own names come first; those of the
// caller's definition name the key of the file that has the same parts.

import { RsyndError } from '../../shared/base/error.js';
import type { FileSpec, KeySpec } from '../../shared/record/file-spec.js';

/** The number of a key. ERR_BADKEY naming the keys there are. */
export function keyNumberOf(
  key: number | string,
  keys: readonly KeySpec[],
  definition: FileSpec | undefined,
  file: string,
): number {
  const number = typeof key === 'number' ? key : numberOfName(key, keys, definition);
  if (Number.isInteger(number) && number >= 0 && number < keys.length) return number;
  const known = keys.map(({ name }, index) => `${index} ${name}`).join(', ');
  throw new RsyndError('ERR_BADKEY', `${file} has no key ${String(key)}; there are ${known}`, {
    file,
  });
}

/** The number of a key by its name; -1 when neither file nor definition knows it. */
export function numberOfName(
  name: string,
  keys: readonly KeySpec[],
  definition: FileSpec | undefined,
): number {
  const isNamed = (key: KeySpec) => key.name.toUpperCase() === name.toUpperCase();
  const number = keys.findIndex(isNamed);
  const defined = definition?.keys.find(isNamed);
  if (number >= 0 || defined === undefined) return number;
  return keys.findIndex((key) => shapeOf(key) === shapeOf(defined));
}

const shapeOf = ({ segments }: KeySpec): string =>
  segments.map(({ offset, length, order }) => `${offset}+${length} ${order}`).join();
