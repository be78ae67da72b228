// The formats load and unload know, by the names users give them.

import { RsyndError } from '../../shared/base/error.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import { csvReader, csvWriter } from './format/csv.js';
import { fixedReader, fixedWriter, packedReader, packedWriter } from './format/fixed.js';
import { jsonlReader, jsonlWriter } from './format/jsonl.js';
import type { RowReader, RowWriter } from './row.js';

export const FORMATS = ['fixed', 'csv', 'jsonl'] as const;
export type Format = (typeof FORMATS)[number];

export interface FormatChoice {
  readonly format: Format;
  /** Fixed only: records follow each other without line ends. */
  readonly packed?: boolean;
}

/** Throws ERR_INVARG when the definition does not allow the format. */
export function createReader(spec: FileSpec, { format, packed }: FormatChoice): RowReader {
  refusePacked(format, packed);
  if (format === 'csv') return csvReader(spec);
  if (format === 'jsonl') return jsonlReader(spec);
  return packed ? packedReader(spec) : fixedReader(spec);
}

/** Throws ERR_INVARG when the definition does not allow the format. */
export function createWriter(spec: FileSpec, { format, packed }: FormatChoice): RowWriter {
  refusePacked(format, packed);
  if (format === 'csv') return csvWriter(spec);
  if (format === 'jsonl') return jsonlWriter(spec);
  return packed ? packedWriter(spec.record) : fixedWriter();
}

function refusePacked(format: Format, packed: boolean | undefined): void {
  if (!packed || format === 'fixed') return;
  throw new RsyndError('ERR_INVARG', `--packed goes with --format fixed, not with ${format}`);
}
