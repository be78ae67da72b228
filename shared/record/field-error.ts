// The one way a field complains: it names itself, never the content of a record.

import { RsyndError } from '../base/error.js';

/** ERR_BADDATA that reads "field NAME <why>". */
export const fieldError = (fieldName: string, why: string): RsyndError =>
  new RsyndError('ERR_BADDATA', `field ${fieldName} ${why}`);
