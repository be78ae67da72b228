// The one way in which a question to a file is refused.

import { RsyndError } from '../base/error.js';

/** ERR_INVOPER for a select: why, and the way out. Never with the content of a record. */
export const selectError = (why: string): RsyndError =>
  new RsyndError('ERR_INVOPER', why, { subject: 'select' });
