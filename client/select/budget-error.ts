// What a query says whose budget ended it: which one, how far it came, what would help, where to go on.

import { RsyndError } from '../../shared/base/error.js';
import type { SelectedReply } from '../../shared/protocol/message.js';
import type { QuerySource } from './query-source.js';

const WORDS = { maxScan: 'as many records as maxScan allows', maxMs: 'as long as maxMs allows' };

/** ERR_BUDGET with `resume`. `selected.stopped` must be there. */
export function budgetError(
  { name, link }: Pick<QuerySource<unknown>, 'name' | 'link'>,
  { stopped, scanned, records, plan }: SelectedReply,
): RsyndError {
  if (stopped === undefined) throw new TypeError('no budget has ended this select');
  const how = stopped.budget === 'maxScan' ? 'looked at' : 'worked';
  const soFar = `${scanned} records were looked at, ${records} are done`;
  const advice = plan?.advice === undefined ? '' : `; ${plan.advice}`;
  const why = `the select of ${name} ${how} ${WORDS[stopped.budget]}: ${soFar}${advice}; go on with resume()`;
  return new RsyndError('ERR_BUDGET', why, {
    file: name,
    resume: Buffer.from(stopped.resume),
    ...(link.host === '' ? {} : { host: link.host }),
  });
}
