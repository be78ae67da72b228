// Finds a field by the name a question gives it. Names of repositories are upper case, so a name that
// fits none exactly may fit one without regard to case.

import type { FieldSpec } from '../record/file-spec.js';
import { selectError } from './select-error.js';

/** Names listed in a message about a wrong one. */
const NAMES_SHOWN_MAX = 30;
const NAME_CHARS_SHOWN_MAX = 64;

/** The field of that name; undefined when there is none, or several that differ in case only. */
export function findField(fields: readonly FieldSpec[], name: string): FieldSpec | undefined {
  const exact = fields.find((field) => field.name === name);
  if (exact !== undefined) return exact;
  const folded = name.toUpperCase();
  const alike = fields.filter((field) => field.name.toUpperCase() === folded);
  return alike.length === 1 ? alike[0] : undefined;
}

/** ERR_INVOPER that says which fields there are. */
export function noSuchField(fields: readonly FieldSpec[], name: string): Error {
  const quoted = JSON.stringify(name.slice(0, NAME_CHARS_SHOWN_MAX));
  if (fields.length === 0) {
    return selectError(`the file names no fields, so not ${quoted}; use rec(start, length)`);
  }
  const shown = fields.slice(0, NAMES_SHOWN_MAX).map((field) => field.name);
  const more = fields.length > shown.length ? `, … (${fields.length} in all)` : '';
  return selectError(`there is no field ${quoted}; the fields are ${shown.join(', ')}${more}`);
}
