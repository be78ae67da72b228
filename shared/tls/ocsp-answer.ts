// Reads and judges the answer of an OCSP responder, asked for or stapled: is it signed by who may, is it about
// this certificate, is it fresh, is it to our question? Only then counts what it says. Pure: bytes and time
// come in; an answer that may not be believed is a finding, never a status.

import { X509Certificate } from 'node:crypto';
import { BaseBlock, Constructed, Enumerated, GeneralizedTime } from 'asn1js';
import { BasicOCSPResponse, OCSPResponse, type SingleResponse } from 'pkijs';
import { ocspAgeMsMax, ocspClockSkewMs, presentedCertificatesMax } from '../base/limits.js';
import { validityOf } from './certificate-text.js';
import { revocationReason } from './crl.js';
import type { RevocationFinding } from './crl-check.js';
import { isAbout, NONCE_EXTENSION, nonceValue, type OcspQuestion } from './ocsp-request.js';
import { isSignedBy } from './signed-data.js';

/** How an answer is to be judged. */
export interface OcspRules {
  /** The nonce sent; absent for stapled answers, which nobody asked for. */
  readonly nonce?: Buffer;
  /** `require`: an answer without nonce does not count. A wrong one never does. */
  readonly nonceRule: 'require' | 'accept';
  /** A certificate that may sign answers besides the issuer and those it named. */
  readonly responder?: X509Certificate;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** An answer that was believed. */
export interface OcspAnswer {
  /** What is against the certificate; undefined: it is good. */
  readonly finding: RevocationFinding | undefined;
  /** Until when the answer holds, milliseconds since 1970; undefined: for now only. */
  readonly until: number | undefined;
}

/** An answer that cannot be believed. */
export interface OcspFault {
  readonly fault: RevocationFinding;
}

const BASIC_RESPONSE = '1.3.6.1.5.5.7.48.1.1';
const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';
/** OCSPResponseStatus by number. */
const STATUSES = [
  'successful',
  'malformed request',
  'internal error',
  'try later',
  '',
  'signature required',
  'unauthorized',
];

/** Judges an answer in DER. */
export function judgeOcspAnswer(
  der: Buffer,
  question: OcspQuestion,
  rules: OcspRules,
): OcspAnswer | OcspFault {
  try {
    return judgeParts(der, question, rules);
  } catch {
    return fault('OCSP_NO_ANSWER', 'what came is no OCSP answer'); // parts of it cannot be read
  }
}

function judgeParts(der: Buffer, question: OcspQuestion, rules: OcspRules): OcspAnswer | OcspFault {
  const basic = parse(der);
  if ('fault' in basic) return basic;
  if (!isSignedByResponder(basic, question, rules)) return fault('OCSP_VERIFY_FAILED', '');
  const single = basic.tbsResponseData.responses.find(({ certID }) => isAbout(certID, question));
  if (single === undefined) return fault('OCSP_NO_ANSWER', 'it is about another certificate');
  return nonceFault(basic, rules) ?? ageFault(single, rules.now) ?? answerOf(single);
}

function parse(der: Buffer): BasicOCSPResponse | OcspFault {
  const { responseStatus, responseBytes } = OCSPResponse.fromBER(der);
  const status = responseStatus.valueBlock.valueDec;
  if (status !== 0 || responseBytes?.responseType !== BASIC_RESPONSE) {
    return fault('OCSP_NO_ANSWER', `it says: ${STATUSES[status] || `status ${status}`}`);
  }
  return BasicOCSPResponse.fromBER(responseBytes.response.valueBlock.valueHexView);
}

/** The issuer itself, whom it named (RFC 6960, 4.2.2.2), or whom our settings name. */
function isSignedByResponder(
  basic: BasicOCSPResponse,
  { issuer }: OcspQuestion,
  { responder, now }: OcspRules,
): boolean {
  const signed = {
    content: basic.tbsResponseData.tbsView,
    algorithm: basic.signatureAlgorithm,
    signature: basic.signature.valueBlock.valueHexView,
  };
  const known = responder === undefined ? [issuer] : [issuer, responder];
  if (known.some(({ publicKey }) => isSignedBy(signed, publicKey))) return true;
  return (basic.certs ?? []).slice(0, presentedCertificatesMax).some((each) => {
    const certificate = new X509Certificate(Buffer.from(each.toSchema().toBER()));
    return mayAnswerFor(issuer, certificate, now) && isSignedBy(signed, certificate.publicKey);
  });
}

function mayAnswerFor(issuer: X509Certificate, signer: X509Certificate, now: number): boolean {
  const { from, to } = validityOf(signer);
  return (
    (signer.keyUsage ?? []).includes(OCSP_SIGNING) &&
    from <= now &&
    now <= to &&
    signer.checkIssued(issuer) &&
    signer.verify(issuer.publicKey)
  );
}

function nonceFault(basic: BasicOCSPResponse, rules: OcspRules): OcspFault | undefined {
  const { nonce, nonceRule } = rules;
  if (nonce === undefined) return undefined;
  const extension = basic.tbsResponseData.responseExtensions?.find(
    ({ extnID }) => extnID === NONCE_EXTENSION,
  );
  if (extension === undefined) {
    return nonceRule === 'accept' ? undefined : fault('OCSP_NONCE_MISMATCH', 'it has no nonce');
  }
  const isOurs = nonceValue(nonce).equals(extension.extnValue.valueBlock.valueHexView);
  return isOurs ? undefined : fault('OCSP_NONCE_MISMATCH', 'it has another nonce than was sent');
}

function ageFault({ thisUpdate, nextUpdate }: SingleResponse, now: number): OcspFault | undefined {
  const from = thisUpdate.getTime();
  const to = nextUpdate?.getTime() ?? from + ocspAgeMsMax;
  if (from <= now + ocspClockSkewMs && now <= to + ocspClockSkewMs) return undefined;
  const end = nextUpdate === undefined ? '' : ` to ${nextUpdate.toISOString()}`;
  return fault('OCSP_NOT_CURRENT', `it is from ${thisUpdate.toISOString()}${end}`);
}

const GOOD = 0;
const REVOKED = 1;

function answerOf({ certStatus, nextUpdate }: SingleResponse): OcspAnswer {
  const until = nextUpdate?.getTime();
  const tag = certStatus instanceof BaseBlock ? certStatus.idBlock.tagNumber : -1;
  if (tag === GOOD) return { finding: undefined, until };
  if (tag !== REVOKED) return { finding: { code: 'OCSP_CERT_UNKNOWN', detail: '' }, until };
  return { finding: { code: 'CERT_REVOKED', detail: revocationText(certStatus) }, until };
}

/** RevokedInfo: the time, and perhaps the reason behind a tag of its own. */
function revocationText(status: unknown): string {
  if (!(status instanceof Constructed)) return 'revoked, says the OCSP responder';
  const [time, wrapped] = status.valueBlock.value;
  const at = time instanceof GeneralizedTime ? ` at ${time.toDate().toISOString()}` : '';
  const inner = wrapped instanceof Constructed ? wrapped.valueBlock.value[0] : undefined;
  const why = inner instanceof Enumerated ? `, ${revocationReason(inner.valueBlock.valueDec)}` : '';
  return `revoked${at}${why}, says the OCSP responder`;
}

const fault = (code: RevocationFinding['code'], detail: string): OcspFault => ({
  fault: { code, detail },
});
