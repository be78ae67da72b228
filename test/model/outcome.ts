// What a request came to, in a form in which the model's answer and the product's can be compared and
// printed.

import type { Reply } from '../../shared/protocol/message.js';
import { ModelError } from './key-order.js';

/** What a reply comes down to when two are compared. */
export type Outcome =
  | { verb: 'record'; rfa: string; crc: number; locked: boolean; record: string }
  | { verb: 'stored'; rfa: string; crc: number; locked: boolean }
  | { verb: 'absent' }
  | { verb: 'done' }
  | { verb: 'open' }
  | { verb: 'value'; value: number | string }
  | { verb: 'storedMany'; stored: number; error: string | undefined }
  | { verb: 'scan'; records: readonly string[] }
  | { verb: 'error'; code: string };

/** Runs one verb of the model; a refusal is its outcome. */
export function outcomeOf(run: () => Outcome): Outcome {
  try {
    return run();
  } catch (error) {
    if (error instanceof ModelError) return { verb: 'error', code: error.code };
    throw error;
  }
}

/** TypeError for replies that no request of the comparison gets. */
export function outcomeOfReply(reply: Reply): Outcome {
  switch (reply.verb) {
    case 'record': {
      const { verb, rfa, crc, locked, record } = reply;
      const hex = Buffer.from(record).toString('hex');
      return { verb, rfa: rfa.toString('hex'), crc, locked, record: hex };
    }
    case 'stored':
      return { ...reply, rfa: reply.rfa.toString('hex') };
    case 'storedMany':
      return { verb: 'storedMany', stored: reply.stored, error: reply.error?.code };
    case 'error':
      return { verb: 'error', code: reply.code };
    case 'value':
      return { verb: 'value', value: reply.value };
    case 'absent':
    case 'done':
    case 'open':
      return { verb: reply.verb };
    default:
      throw new TypeError(`no request gets ${reply.verb}`);
  }
}

/** For scans in stored order: where a record lies is the store's business. */
export function sortRecords(...outcomes: Outcome[]): void {
  for (const outcome of outcomes) {
    if (outcome.verb === 'scan') Object.assign(outcome, { records: [...outcome.records].sort() });
  }
}

/** Long runs of filler say nothing. */
export function plain(value: unknown): string {
  const bytesAsText = (_: string, each: unknown): unknown =>
    isJsonBuffer(each) ? Buffer.from(each.data).toString('latin1') : each;
  return JSON.stringify(value, bytesAsText).replace(/\.{8,}|(2e){8,}/g, '…');
}

const isJsonBuffer = (value: unknown): value is { data: number[] } =>
  typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer';
