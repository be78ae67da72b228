// `rsynctl explain`: what happened to a refused connection, by the id that its error and the log name, and
// what a code of the TLS library, of a refusal or of our errors means. Reads the data directory only for ids.

import { Argument, type Command } from 'commander';
import { libraryAdvice, ownReasonOf } from '../../server/net/refusal.js';
import { type KeptRefusal, RefusalFile } from '../../server/observe/refusal-file.js';
import { parseRefusalId } from '../../server/observe/refusal-id.js';
import { RsyndError } from '../../shared/base/error.js';
import { ERROR_CODES, type ErrorCode } from '../../shared/base/error-code.js';
import { printable, withoutControls } from '../../shared/tls/certificate-text.js';
import { verifyCode } from '../../shared/tls/verify-code.js';
import type { Tool } from '../tool.js';

/** A code in words. */
interface Explanation {
  readonly code: string;
  readonly reason: string;
  readonly advice: string;
}

export function addExplain(program: Command, tool: Tool): void {
  program
    .command('explain')
    .description('why a connection was refused (by its id), or what a code means')
    .addArgument(new Argument('<id>', 'K7Q2M9XA, CERT_HAS_EXPIRED, ERR_NETCRYPT'))
    .addHelpText('after', HELP)
    .action((word: string) => explain(tool, word.trim()));
}

const HELP = `
The id stands in the error of the client and in the log of the server. Refusals are kept for a while in the
data directory (see --data); codes are explained anywhere.`;

function explain(tool: Tool, word: string): void {
  const meaning = explainCode(word.toUpperCase());
  if (meaning !== undefined) {
    const { code, reason, advice } = meaning;
    return tool.answer(meaning, `${code}: ${reason}\n${field('to do', advice)}`);
  }
  const id = parseRefusalId(word);
  if (id === undefined) {
    const what = 'an id has 8 characters, like K7Q2M9XA; a code looks like CERT_HAS_EXPIRED';
    throw new RsyndError('ERR_INVARG', `"${printable(word)}" is neither id nor code: ${what}`);
  }
  const refusal = new RefusalFile(tool.state).find(id);
  if (refusal === undefined) throw notKept(id, tool.data);
  tool.answer(refusal, describe(refusal));
}

function notKept(id: string, data: string): RsyndError {
  const why =
    `no refusal ${id} is kept in ${data}: is it of another server (--data DIR), or older than those kept? ` +
    'Under a flood of refusals not all of them are kept';
  return new RsyndError('ERR_NOENTRY', why);
}

function explainCode(code: string): Explanation | undefined {
  const verify = verifyCode(code);
  if (verify !== undefined) return { code, ...verify };
  const own = ownReasonOf(code);
  if (own !== undefined) return { code, reason: own.reason, advice: own.advice };
  if (isErrorCode(code)) return explainError(code);
  const advice = /^(ERR_SSL_|E[A-Z]+$)/.test(code) ? libraryAdvice(code) : undefined;
  if (advice === undefined) return undefined;
  const reason = code
    .replace(/^ERR_SSL_/, '')
    .replaceAll('_', ' ')
    .toLowerCase();
  return { code, reason: `the TLS library or the system says: ${reason}`, advice };
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERROR_CODES, code);

function explainError(code: ErrorCode): Explanation {
  const { errno, text, meaning, retryable } = ERROR_CODES[code];
  const again = retryable
    ? 'the same call may succeed later without any change'
    : 'the same call fails again until its cause is mended; the message of the error says how';
  return { code, reason: `${text.replace('%s', '…')} (${errno}): ${meaning}`, advice: again };
}

function describe({ id, time, peer, code, reason, advice, ...more }: KeptRefusal): string {
  const { offered, certificate } = more;
  const lines = [
    `refusal ${id}`,
    field('when', time),
    field('who', `${peer.address}, port ${peer.port}`),
    field('what', `${reason} (${code})`),
  ];
  if (certificate !== undefined) {
    const { subject, issuer, serial, depth, fingerprint } = certificate;
    lines.push(
      field('whose', `${subject}, depth ${depth}${depth === 0 ? " (the client's own)" : ''}`),
    );
    lines.push(field('issued by', `${issuer}, serial ${serial}`), field('sha256', fingerprint));
  }
  if (offered !== undefined) {
    const asked = offered.serverName === undefined ? '' : `, asked for ${offered.serverName}`;
    const versions = offered.versions.join(' ');
    lines.push(field('offered', `${versions}, ${offered.cipherCount} ciphers${asked}`));
  }
  return [...lines, field('to do', advice)].map(printableLine).join('\n');
}

const field = (name: string, value: string): string => `  ${name.padEnd(10)} ${value}`;

/** Names in it come from strangers; a terminal must not obey them. */
const printableLine = (line: string): string => withoutControls(line);
