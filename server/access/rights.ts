// What roles allow, and whether a user's grants allow one thing with one file. Pure: who the user is comes from
// users.ts, where the file lies from the gate. What no grant allows is denied.

import type { OpenMode } from '../../shared/protocol/message.js';
import { parseFilePattern } from './file-pattern.js';
import { DEFAULT_EXTENSION, withExtension } from './paths.js';

/** What one does with a file: look, change records, make or replace it. */
export type Action = 'read' | 'update' | 'create';

/** Roles in the order help and messages list them. On disk in users.json. */
export const ROLES = ['read', 'update', 'create', 'admin'] as const;
export type Role = (typeof ROLES)[number];

const ALLOWED: { readonly [role in Role]: readonly Action[] } = {
  read: ['read'],
  update: ['read', 'update'],
  create: ['create'],
  admin: ['read', 'update', 'create'],
};

/** A role on the files of a pattern (file-pattern.ts). */
export interface Grant {
  readonly role: Role;
  readonly files: string;
}

/** Narrowing question for text that people or files bring. */
export const isRole = (value: unknown): value is Role => ROLES.some((role) => role === value);

/** The action an open mode comes to. */
export function actionOfMode(mode: OpenMode): Action {
  if (mode === 'input') return 'read';
  return mode === 'output' ? 'create' : 'update';
}

/**
 * Answers whether the grants allow `action` with a file named below the data root, extension included. `orders`
 * and `orders.ism` are one file: a pattern may fit either.
 */
export function rightsOf(grants: readonly Grant[]): (action: Action, name: string) => boolean {
  const rules = grants.map(({ role, files }) => ({
    allowed: ALLOWED[role],
    fits: parseFilePattern(files),
  }));
  return (action, name) => {
    const names = [name, shortName(name)];
    return rules.some(({ allowed, fits }) => allowed.includes(action) && names.some(fits));
  };
}

/**
 * A file's name without the default extension, as people write it: `orders.ism.ism` has no shorter one, because
 * `orders.ism` is another file.
 */
export function shortName(name: string): string {
  if (!name.endsWith(DEFAULT_EXTENSION)) return name;
  const short = name.slice(0, -DEFAULT_EXTENSION.length);
  return withExtension(short) === name ? short : name;
}
