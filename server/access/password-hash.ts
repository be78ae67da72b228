// Passwords as they are kept: scrypt in the PHC string format, `$scrypt$ln=15,r=8,p=1$salt$hash`, salt and hash in
// base64 without padding. On disk in users.json: strings of before are read for ever, new ones may cost more.
// It knows no users and writes nothing down.

import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { RsyndError } from '../../shared/base/error.js';
import {
  passwordBytesMax,
  passwordBytesMin,
  passwordCheckBytesMax,
} from '../../shared/base/limits.js';

/** What a check costs: 2^ln blocks of r × 128 bytes, p times over. */
export interface ScryptCost {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/** Some 65 ms and 32 MiB on a core of 2023. */
export const SCRYPT_COST: ScryptCost = { ln: 15, r: 8, p: 1 };

/** A kept password, taken apart. */
export interface PasswordHash {
  readonly cost: ScryptCost;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

const SALT_BYTES = 16;
const HASH_BYTES = 32;

const PHC =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,128})\$([A-Za-z0-9+/]{22,128})$/;

/** Makes the string to keep. */
export async function hashPassword(password: string, cost = SCRYPT_COST): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  return formatPasswordHash({ cost, salt, hash: await derive(password, cost, salt, HASH_BYTES) });
}

/**
 * True when the password is the one that was kept. Takes the same time for every password.
 *
 * HMAC, below scrypt, fills short keys up with NULs: with some at its end a password would be the same one.
 */
export async function verifyPassword(password: string, kept: PasswordHash): Promise<boolean> {
  const hash = await derive(password, kept.cost, kept.salt, kept.hash.length);
  return timingSafeEqual(hash, kept.hash) && !password.includes('\0');
}

/** Reads a kept string; undefined when it is none, or would cost more than a check may. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const [, ln, r, p, salt = '', hash = ''] = PHC.exec(text) ?? [];
  if (ln === undefined) return undefined;
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  if (cost.ln < 1 || cost.r < 1 || cost.p < 1 || cost.p > 16) return undefined;
  // scrypt itself refuses N from 2^(16 r) on: such a check would fail as a fault of ours, and uncounted.
  if (cost.ln >= 16 * cost.r || bytesOf(cost) > passwordCheckBytesMax) return undefined;
  return { cost, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') };
}

/** A hash that no password has, to check the passwords of users there are not. */
export const emptyPasswordHash = (cost = SCRYPT_COST): PasswordHash => ({
  cost,
  salt: randomBytes(SALT_BYTES),
  hash: randomBytes(HASH_BYTES),
});

/** True when a string kept with `cost` should be made anew: it costs a guesser less than today's. */
export const isWeaker = ({ ln, r, p }: ScryptCost): boolean =>
  2 ** ln * r * p < 2 ** SCRYPT_COST.ln * SCRYPT_COST.r * SCRYPT_COST.p;

/**
 * Refuses what is no password: length alone is judged, and that it is not the name (NIST SP 800-63B).
 * ERR_INVARG; the message never holds it.
 */
export function requireGoodPassword(password: string, user: string): void {
  const bytes = Buffer.byteLength(password);
  if (bytes < passwordBytesMin || bytes > passwordBytesMax) {
    const range = `from ${passwordBytesMin} to ${passwordBytesMax} bytes`;
    throw new RsyndError('ERR_INVARG', `a password has ${range}, this one ${bytes}`);
  }
  if (password.includes('\0')) {
    throw new RsyndError('ERR_INVARG', 'a password has no NUL character; leave it out');
  }
  if (password.toLowerCase() === user.toLowerCase()) {
    throw new RsyndError('ERR_INVARG', 'the password is the name of the user; choose another');
  }
}

function formatPasswordHash({ cost: { ln, r, p }, salt, hash }: PasswordHash): string {
  return `$scrypt$ln=${ln},r=${r},p=${p}$${base64(salt)}$${base64(hash)}`;
}

const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

const bytesOf = ({ ln, r, p }: ScryptCost): number => 128 * r * (2 ** ln + p);

/** One password typed on two keyboards is one password. */
const canonical = (password: string): string => password.normalize('NFKC');

function derive(
  password: string,
  { ln, r, p }: ScryptCost,
  salt: Buffer,
  bytes: number,
): Promise<Buffer> {
  const cost = { N: 2 ** ln, r, p, maxmem: passwordCheckBytesMax + 1024 * 1024 };
  return new Promise((resolve, reject) => {
    scrypt(canonical(password), salt, bytes, cost, (error, hash) =>
      error === null ? resolve(hash) : reject(error),
    );
  });
}
