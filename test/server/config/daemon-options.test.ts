// What options go together, on which platform. How the program says it is tested in test/integration.

import t from 'tap';
import { resolveOptions, warningsOf } from '../../../server/config/daemon-options.js';
import { userNameBytesMax } from '../../../shared/base/limits.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

t.test(
  'non-secure mode with encryption needs a default user, and is not for Windows',
  async (t) => {
    const data = temporaryDirectory(t);
    const both = { data, n: true, encrypt: true };
    const resolve = (options: object, platform: NodeJS.Platform) =>
      resolveOptions({ data, ...options }, {}, {}, platform);
    t.match(resolve({ ...both, u: 'shop' }, 'linux'), {
      nonSecure: true,
      user: 'shop',
      encrypt: true,
    });
    t.throws(() => resolve(both, 'linux'), { code: 'ERR_CONFIG', message: /needs -u USER/ });
    const onWindows = {
      code: 'ERR_CONFIG',
      message: /-n with -encrypt is not supported on Windows/,
    };
    t.throws(() => resolve({ ...both, u: 'shop' }, 'win32'), onWindows);
    t.match(resolve({ encrypt: true }, 'win32'), { nonSecure: false }, 'secure mode is fine there');
    t.match(resolve({ n: true }, 'win32'), { nonSecure: true }, 'and -n without encryption');
    t.throws(() => resolve({ u: 'x'.repeat(userNameBytesMax + 1) }, 'linux'), {
      code: 'ERR_CONFIG',
    });
  },
);

t.test('options that do less than they seem are warned about', async (t) => {
  const data = temporaryDirectory(t);
  const warnings = (options: object) => warningsOf(resolveOptions({ data, ...options }, {}, {}));
  t.match(warnings({ scl: 3 }), [/every session is in clear/]);
  t.strictSame(warnings({}), []);
});
