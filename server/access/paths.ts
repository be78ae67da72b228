// From the name a user wrote to the file it may mean. Remote names stay inside the data root, symbolic
// links included; every name that does not is the same ERR_FILSPC, so that nobody can probe what lies
// outside. Local paths mean what the operating system says they mean.

import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { basename, dirname, extname, isAbsolute, join, resolve, sep } from 'node:path';
import { RsyndError } from '../../shared/base/error.js';
import { fileNameBytesMax, fileNamePartBytesMax } from '../../shared/base/limits.js';

/** Extension of a name written without one, as the field has it. */
export const DEFAULT_EXTENSION = '.ism';

/** Turns names into real absolute paths. The file itself need not be there, its directory must. */
export type PathResolver = (name: string) => string;

/** A resolver for remote names below `root`. */
export function pathsBelow(root: string): PathResolver {
  const realRoot = realpathSync(root);
  return (name) => {
    if (!isPlainName(name)) throw refused(name);
    const path = join(realRoot, withExtension(name));
    const directory = realDirectory(path);
    if (directory === undefined) {
      throw leadsOutside(realRoot, path) ? refused(name) : notFound(name);
    }
    const real = realFile(join(directory, basename(path)));
    if (real === undefined || !isInside(realRoot, real)) throw refused(name);
    return real;
  };
}

/** A resolver for local paths. */
export const localPaths: PathResolver = (name) => {
  if (name === '' || name.includes('\0')) throw refused(name);
  const path = withExtension(resolve(name));
  const directory = realDirectory(path);
  if (directory === undefined) throw notFound(name);
  return realFile(join(directory, basename(path))) ?? join(directory, basename(path));
};

/** What storage keeps beside a file, or makes it anew under: opened by name it would be spoiled. */
const COMPANION =
  /(-lock|\.rebuild|\.create-\d+|\.[^/]*-(log|log\.new|log\.unused|recovery[.\d]*))$/i;

/** Line ends and marks of direction in Unicode: a list of names would show other names. */
const TURNS_TEXT_AROUND = /[\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** Relative, no way up, nothing hidden, nothing a file system or a terminal could take for more. */
export function isPlainName(name: string): boolean {
  if (name === '' || Buffer.byteLength(name) > fileNameBytesMax || isAbsolute(name)) return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f\\:]/.test(name)) return false;
  if (TURNS_TEXT_AROUND.test(name) || COMPANION.test(name)) return false;
  return name.split('/').every(isPlainPart);
}

const isPlainPart = (part: string): boolean =>
  part !== '' && !part.startsWith('.') && Buffer.byteLength(part) <= fileNamePartBytesMax;

/** A name or path as files have it on disk: `orders` becomes `orders.ism`. */
export const withExtension = (path: string): string =>
  extname(path) === '' ? path + DEFAULT_EXTENSION : path;

const isInside = (root: string, path: string): boolean =>
  path.startsWith(root.endsWith(sep) ? root : root + sep);

/** Does what there is of the way to `path` leave the root by a link? */
function leadsOutside(root: string, path: string): boolean {
  let above = dirname(path);
  while (above !== root && realFile(above) === above && !existsSync(above)) above = dirname(above);
  const real = realFile(above);
  return real === undefined || (real !== root && !isInside(root, real));
}

function realDirectory(path: string): string | undefined {
  try {
    return realpathSync(dirname(path));
  } catch {
    return undefined; // the caller says which name was not found
  }
}

/** The path itself when nothing is there, the target of a link, undefined for a link to nowhere. */
function realFile(path: string): string | undefined {
  try {
    lstatSync(path);
  } catch {
    return path;
  }
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function refused(name: string): RsyndError {
  const shown = JSON.stringify(name.slice(0, 64));
  const why =
    `${shown} does not name a file below the data directory; ` +
    'use a relative name such as orders or sales/orders';
  return new RsyndError('ERR_FILSPC', why);
}

const notFound = (name: string): RsyndError =>
  new RsyndError(
    'ERR_FNF',
    `the directory of ${JSON.stringify(name.slice(0, 200))} is not there; make it first`,
    {
      file: name,
    },
  );
