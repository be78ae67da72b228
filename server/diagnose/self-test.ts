// Is everything there that encryption and storage need? `rsynctl dltest` prints the lines, as the tool of
// that name does in the field. Each check is one function that does the thing for real; none changes
// anything that lasts.

import { createHash, getFips, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { splitPem } from '../../shared/tls/pem.js';
import { policyFor, type SecurityLevel } from '../../shared/tls/policy.js';
import { loadNonceSource } from '../../shared/tls/random-state.js';
import { issueDevelopmentCertificate } from '../certificate/issue-self-signed.js';
import { type CertificateProof, proveCertificate } from '../certificate/prove-certificate.js';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was found, or what is wrong and how to mend it. */
  readonly detail: string;
}

/** A certificate to shake hands with, and where it comes from. */
export interface CertificateToTest {
  readonly source: string;
  readonly key: string;
  readonly cert: string;
}

export interface SelfTestOptions {
  readonly environment: NodeJS.ProcessEnv;
  /** Loads the configured certificate; undefined when none is configured. Rejects when it is unusable. */
  readonly loadCertificate: () => Promise<CertificateToTest | undefined>;
}

/** Releases of Node and the day after which they get no more fixes (nodejs/Release, schedule.json). */
const NODE_ENDS: ReadonlyMap<number, string> = new Map([
  [20, '2026-04-30'],
  [22, '2027-04-30'],
  [24, '2028-04-30'],
]);

/** All checks, in the order they are printed. Never rejects. */
export async function selfTest(options: SelfTestOptions): Promise<Check[]> {
  const checks = [nodeCheck(), opensslCheck(), fipsCheck()];
  checks.push(await check('lmdb', writeAndReadBack), nativeMessagePack());
  checks.push(await check('random', () => randomWords(options.environment)));
  const loaded = await loadedCertificate(options);
  checks.push(loaded.check);
  for (const level of [1, 2, 3, 4] as const) {
    checks.push(await check(`scl ${level}`, () => shakeHands(level, loaded.certificate)));
  }
  return checks;
}

async function check(name: string, run: () => string | Promise<string>): Promise<Check> {
  try {
    return { name, ok: true, detail: await run() };
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

function nodeCheck(): Check {
  const end = NODE_ENDS.get(Number(process.versions.node.split('.')[0]));
  const isPast = end !== undefined && Date.parse(end) < Date.now();
  const advice = isPast ? `, without security fixes since ${end}: update to Node 24` : '';
  return { name: 'node', ok: true, detail: `${process.version}${advice}` };
}

function opensslCheck(): Check {
  const version = process.versions.openssl;
  const ok = Number(version.split('.')[0]) >= 3;
  return { name: 'openssl', ok, detail: ok ? version : `${version}: version 3 is needed` };
}

const fipsCheck = (): Check => ({
  name: 'fips',
  ok: true,
  detail:
    getFips() === 1 ? 'on' : 'off (turn it on by the configuration of OpenSSL, if you need it)',
});

/** Opens a small database, writes, reads: proves that the native part loads and the disk takes it. */
async function writeAndReadBack(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'rsynd-dltest-'));
  try {
    const { open } = await import('lmdb');
    const database = open({ path: join(directory, 'probe'), noSubdir: true, encoding: 'binary' });
    const value = randomBytes(32);
    await database.put('probe', value);
    const found: unknown = database.get('probe');
    await database.close();
    if (!(found instanceof Uint8Array) || !value.equals(found)) {
      throw new Error('it did not give back what was written; reinstall rsynd (npm ci)');
    }
    return 'its native part loads, writes and reads';
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Only makes control messages quicker: its absence is said, not a failure. */
function nativeMessagePack(): Check {
  const name = 'msgpackr';
  try {
    createRequire(import.meta.url)('msgpackr-extract');
    return { name, ok: true, detail: 'with its native part' };
  } catch {
    return { name, ok: true, detail: 'in JavaScript: its native part is not there, which is fine' };
  }
}

/**
 * The source must be there and give different bytes; what it gives must not be plainly constant. More
 * cannot be seen from outside.
 */
function randomWords(environment: NodeJS.ProcessEnv): string {
  const [one, other] = [randomBytes(64), randomBytes(64)];
  if (one.equals(other) || new Set(one).size < 16) {
    throw new Error('the random source of the system gives no random bytes');
  }
  loadNonceSource(environment);
  const state = environment.SYNSSL_RAND;
  return state === undefined ? "the system's" : `the system's, and ${state} ($SYNSSL_RAND)`;
}

async function loadedCertificate({
  loadCertificate,
}: SelfTestOptions): Promise<{ check: Check; certificate: CertificateToTest | undefined }> {
  let certificate: CertificateToTest | undefined;
  const said = await check('certificate', async () => {
    certificate = await loadCertificate();
    if (certificate === undefined) return 'none is configured; one made for the test is used below';
    const print = createHash('sha256').update(certificate.cert).digest('hex').slice(0, 16);
    return `${certificate.source} (sha256 of its PEM ${print}…)`;
  });
  return { check: said, certificate };
}

/** With the newest protocol of the level and with the oldest. */
async function shakeHands(
  level: SecurityLevel,
  configured: CertificateToTest | undefined,
): Promise<string> {
  const certificate = configured ?? (await ownCertificate());
  const { key, cert } = certificate;
  const options = { ...policyFor(level), key, cert };
  const { minVersion } = options;
  const newest = await proveCertificate(options, certificate.source);
  const oldest = await proveCertificate({ ...options, maxVersion: minVersion }, certificate.source);
  return `${wordsOf(newest)}, at least ${wordsOf(oldest)}`;
}

const wordsOf = ({ protocol, cipher }: CertificateProof): string => `${protocol} ${cipher}`;

/** A throw-away one, for machines where nothing is configured yet. */
async function ownCertificate(): Promise<CertificateToTest> {
  const { serverPem } = await issueDevelopmentCertificate({ hosts: ['localhost'], keyBits: 2048 });
  const { privateKeys, certificates } = splitPem(serverPem);
  return { source: 'test certificate', key: privateKeys.join(''), cert: certificates.join('') };
}
