// What is kept about a user, and how users.json is read: strictly, because what is misread there lets somebody in.
// On disk, written by rsynctl and perhaps by hand:
//
//   { "version": 1, "users": [ { "name": "alice", "password": "$scrypt$…", "grants": [ { "role": "read",
//     "files": "sales/*" } ], "certificates": [ "cn:alice" ], "disabled": false, "created": "…", "changed": "…" } ] }

import { RsyndError } from '../../shared/base/error.js';
import {
  certificateRulesPerUserMax,
  grantsPerUserMax,
  userNameBytesMax,
  usersMax,
} from '../../shared/base/limits.js';
import { parseCertificateRule } from './certificate-rule.js';
import { parseFilePattern } from './file-pattern.js';
import { parsePasswordHash } from './password-hash.js';
import { type Grant, isRole, ROLES } from './rights.js';

/** Name of the file in the state directory. */
export const USERS_FILE = 'users.json';
const VERSION = 1;

/** One user, as kept. Field names are on disk. */
export interface User {
  readonly name: string;
  /** PHC string (password-hash.ts); absent for one who comes by certificate only. */
  readonly password?: string;
  readonly grants: readonly Grant[];
  /** Rules (certificate-rule.ts), in their normal form. */
  readonly certificates: readonly string[];
  readonly disabled: boolean;
  /** ISO 8601. */
  readonly created: string;
  readonly changed: string;
}

/** Letters, digits and marks of any script; `@ . _ + -` inside. No space, no colon, nothing invisible. */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}@._+-]*$/u;

/** Refuses what is no user name. ERR_INVARG. */
export function requireUserName(name: string): void {
  const isShort = Buffer.byteLength(name) <= userNameBytesMax;
  if (NAME.test(name) && isShort && name === name.normalize('NFC')) return;
  const rule = `letters, digits and @ . _ + - up to ${userNameBytesMax} bytes, a letter or digit first`;
  throw new RsyndError(
    'ERR_INVARG',
    `${JSON.stringify(name.slice(0, 64))} is no user name; it has ${rule}`,
  );
}

/** What users.json holds. */
export const encodeUsers = (users: readonly User[]): object => ({ version: VERSION, users });

/** Judges what users.json holds. Throws an Error that names the user and the field. */
export function decodeUsers(value: unknown): User[] {
  const file = record(value, 'it', ['version', 'users']);
  if (file.version !== VERSION) throw wrong('its version', `is not ${VERSION}`);
  const users = list(file.users, 'users', usersMax).map(decodeUser);
  requireNoneTwice(users);
  return users;
}

const FIELDS = ['name', 'password', 'grants', 'certificates', 'disabled', 'created', 'changed'];

function decodeUser(value: unknown, index: number): User {
  const raw = record(value, `user ${index + 1}`, FIELDS);
  const name = text(raw.name, `the name of user ${index + 1}`);
  requireUserName(name);
  const { disabled } = raw;
  if (typeof disabled !== 'boolean') throw wrong(`disabled of ${name}`, 'is not true or false');
  return {
    name,
    ...(raw.password === undefined ? {} : { password: decodePassword(raw.password, name) }),
    grants: list(raw.grants, `grants of ${name}`, grantsPerUserMax).map((each) =>
      decodeGrant(each, name),
    ),
    certificates: list(raw.certificates, `certificates of ${name}`, certificateRulesPerUserMax).map(
      (each) => decodeRule(each, name),
    ),
    disabled,
    created: time(raw.created, `created of ${name}`),
    changed: time(raw.changed, `changed of ${name}`),
  };
}

function decodePassword(value: unknown, name: string): string {
  const phc = text(value, `the password of ${name}`);
  if (parsePasswordHash(phc) !== undefined) return phc;
  throw wrong(`the password of ${name}`, 'is no scrypt string; set it with rsynctl user passwd');
}

function decodeGrant(value: unknown, name: string): Grant {
  const { role, files } = record(value, `a grant of ${name}`, ['role', 'files']);
  if (!isRole(role)) throw wrong(`a role of ${name}`, `is not one of ${ROLES.join(', ')}`);
  const pattern = text(files, `the files of a grant of ${name}`);
  parseFilePattern(pattern);
  return { role, files: pattern };
}

function decodeRule(value: unknown, name: string): string {
  const rule = text(value, `a certificate rule of ${name}`);
  parseCertificateRule(rule);
  return rule;
}

function requireNoneTwice(users: readonly User[]): void {
  const names = new Set<string>();
  for (const { name } of users) {
    if (names.has(name)) throw wrong(`the user ${name}`, 'is there twice');
    names.add(name);
  }
}

function record(
  value: unknown,
  what: string,
  fields: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong(what, 'is no object');
  }
  const unknown = Object.keys(value).find((key) => !fields.includes(key));
  if (unknown !== undefined) throw wrong(what, `has the unknown field ${unknown.slice(0, 64)}`);
  return Object.fromEntries(Object.entries(value));
}

function list(value: unknown, what: string, max: number): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(what, 'is no list');
  if (value.length > max) throw wrong(what, `has more than ${max} entries`);
  return value;
}

function text(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw wrong(what, 'is no text');
}

function time(value: unknown, what: string): string {
  const iso = text(value, what);
  if (Number.isFinite(Date.parse(iso))) return iso;
  throw wrong(what, 'is no time');
}

const wrong = (what: string, why: string): Error => new Error(`${what} ${why}`);
