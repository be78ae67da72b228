// GETFA: what a program may ask about its channel, by keyword. All of it is known here; nothing is asked of
// the server.

import { RsyndError } from '../../shared/base/error.js';
import type { FileSpec } from '../../shared/record/file-spec.js';
import type { LinkSecurity } from '../connection/link.js';
import type { GetfaOption } from './channel.js';

export interface ChannelFacts {
  readonly security: LinkSecurity;
  readonly spec: FileSpec;
  readonly name: string;
}

const ANSWERS: Readonly<Record<GetfaOption, (facts: ChannelFacts) => number | string>> = {
  /** 1 when this channel's link is encrypted. */
  SLE: ({ security }) => security.sle,
  /** The cipher in use, empty when there is none. */
  SLC: ({ security }) => security.slc,
  /** 1 when the file insists on encryption. */
  NETCRYPT: ({ spec }) => (spec.networkEncrypt ? 1 : 0),
  /** Bytes of a record, of the longest one where they vary. */
  RSZ: ({ spec }) => spec.record.size,
  /** Name of the file as it was opened. */
  SPC: ({ name }) => name,
};

/** Options are case-blind; `length` cuts text. ERR_INVARG naming the options there are. */
export function answerGetfa(facts: ChannelFacts, option: string, length?: number): number | string {
  const name = String(option).toUpperCase();
  if (!isGetfaOption(name)) {
    const known = Object.keys(ANSWERS).join(', ');
    throw new RsyndError('ERR_INVARG', `getfa knows no "${option}"; there are ${known}`);
  }
  const answer = ANSWERS[name](facts);
  if (typeof answer === 'number' || length === undefined) return answer;
  return answer.slice(0, Math.max(0, length));
}

const isGetfaOption = (name: string): name is GetfaOption => Object.hasOwn(ANSWERS, name);
