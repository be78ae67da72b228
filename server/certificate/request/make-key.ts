// Makes private keys: RSA-3072 unless an elliptic curve is asked for. Never on the event loop: RSA takes a second.

import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

/** What `--ec` chooses. */
export type KeyChoice = 'rsa' | 'ec';

const RSA_BITS = 3072;
const CURVE = 'prime256v1';

export async function makeKey(choice: KeyChoice): Promise<KeyObject> {
  const make = promisify(generateKeyPair);
  const { privateKey } =
    choice === 'rsa'
      ? await make('rsa', { modulusLength: RSA_BITS })
      : await make('ec', { namedCurve: CURVE });
  return privateKey;
}
