// One question and answer over HTTP with an OCSP responder. Bounded in time and size, follows no redirect,
// and goes only where the settings say: an address found in a certificate was chosen by whoever made it.

import { type ClientRequest, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { ocspAnswerBytesMax, ocspTimeoutMs } from '../base/limits.js';

/** Sends DER, answers DER. Rejects with an Error in words when there is no answer. */
export type OcspExchange = (url: string, question: Buffer) => Promise<Buffer>;

/** The exchange over the network. */
export const exchangeOverHttp: OcspExchange = (url, question) =>
  new Promise((resolve, reject) => {
    const send = new URL(url).protocol === 'https:' ? requestHttps : requestHttp;
    const request: ClientRequest = send(url, {
      method: 'POST',
      agent: false,
      headers: {
        'content-type': 'application/ocsp-request',
        'content-length': question.length,
        accept: 'application/ocsp-response',
      },
    });
    const timer = setTimeout(
      () => request.destroy(new Error(`no answer within ${ocspTimeoutMs} ms`)),
      ocspTimeoutMs,
    );
    request.on('close', () => clearTimeout(timer));
    request.on('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(error.message || error.code || 'no connection')),
    );
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ocspAnswerBytesMax) request.destroy(new Error('the answer is too large'));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks));
        else reject(new Error(`HTTP status ${response.statusCode}`));
      });
    });
    request.end(question);
  });

/** Is it an address a question can go to? */
export function isResponderUrl(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
}
