// isamc(): creates an empty file, on a server or on this machine, from a definition or the classic strings.

import { RsyndError } from '../shared/base/error.js';
import type { FileDefinition } from '../shared/record/file-definition.js';
import type { FileSpec } from '../shared/record/file-spec.js';
import { type IsamcSpec, parseIsamcSpec } from '../shared/record/isamc-spec.js';
import { expected } from './channel/call-values.js';
import type { Deadline } from './connection/deadline.js';
import type { Link } from './connection/link.js';
import { withLease } from './open.js';
import type { OpenOptions } from './open-options.js';

/**
 * Creates a file. ERR_REPLAC when there is one of that name, ERR_INVARG for what is no definition,
 * ERR_BADXDLS for strings that cannot be read, ERR_NETCRYPT for a flagged file over a connection in clear.
 */
export async function isamc(
  filespec: string,
  definition: FileDefinition | IsamcSpec,
  options: OpenOptions = {},
): Promise<void> {
  specOfDefinition(definition);
  await withLease(filespec, options, async (lease, { name, deadline }) => {
    await createFile(lease.link, name, definition, deadline);
    await lease.release();
  });
}

/** The same over a link one has. */
export async function createFile(
  link: Link,
  name: string,
  definition: FileDefinition | IsamcSpec,
  deadline: Deadline,
): Promise<void> {
  const request = { verb: 'create', name, spec: specOfDefinition(definition) } as const;
  expected('done', await link.call(request, 0, { ...deadline.limits, file: name }));
}

function specOfDefinition(definition: FileDefinition | IsamcSpec): FileSpec {
  if (isObject(definition)) {
    if ('spec' in definition && isObject(definition.spec)) return definition.spec;
    if ('recordSize' in definition && Array.isArray(definition.keys)) {
      return parseIsamcSpec(definition);
    }
  }
  const why = 'a definition is what defineFile() makes, or { recordSize, keys: [...], options }';
  throw new RsyndError('ERR_INVARG', why);
}

/** Callers without types pass anything. */
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
