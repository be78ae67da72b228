// Formats with named columns need names.

import { RsyndError } from '../../../shared/base/error.js';
import type { FileSpec } from '../../../shared/record/file-spec.js';

/** Throws ERR_INVARG when the definition names no fields. */
export function requireFields(spec: FileSpec, format: string): void {
  if (spec.fields.length > 0) return;
  const why = `${format} needs named fields and the file has none`;
  const fix = 'create it with --repository, or use --format fixed or jsonl';
  throw new RsyndError('ERR_INVARG', `${why}; ${fix}`);
}
