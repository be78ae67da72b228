import t from 'tap';
import { parseFilespec, parseServer } from '../../client/filespec.js';
import { isRsyndError } from '../../shared/base/error.js';

const remote = (name: string, host: string, port = 2330, secure = false, user?: string) => ({
  kind: 'remote',
  name,
  server: { host, port, secure, ...(user === undefined ? {} : { user }) },
});

t.test('file specifications name a server or a local path', async (t) => {
  const cases: readonly (readonly [string, object])[] = [
    ['orders.ism@localhost', remote('orders.ism', 'localhost')],
    ['orders@10.0.0.7:2331', remote('orders', '10.0.0.7', 2331)],
    ['sub/orders@srv', remote('sub/orders', 'srv')],
    ['DATA:orders@srv', remote('DATA:orders', 'srv')],
    ['a@b@srv', remote('a@b', 'srv')],
    ['orders@[::1]', remote('orders', '::1')],
    ['orders@[fe80::1]:99', remote('orders', 'fe80::1', 99)],
    ['rsynds://srv/orders', remote('orders', 'srv', 2330, true)],
    ['RSYNDS://srv:2331/sub/orders', remote('sub/orders', 'srv', 2331, true)],
    ['rsynds://shop@srv/or%20ders', remote('or ders', 'srv', 2330, true, 'shop')],
    ['rsynds://a%40b@[::1]:7/x', remote('x', '::1', 7, true, 'a@b')],
    ['rsynds://srv/../x', remote('../x', 'srv', 2330, true)],
    ['orders.ism', { kind: 'local', path: 'orders.ism' }],
    ['/mail/a@b/orders.ism', { kind: 'local', path: '/mail/a@b/orders.ism' }],
    ['C:\\data\\orders.ism', { kind: 'local', path: 'C:\\data\\orders.ism' }],
  ];
  for (const [text, expected] of cases) t.strictSame(parseFilespec(text), expected, text);
});

t.test('servers are a host with or without a port, or a URL without a file', async (t) => {
  t.strictSame(parseServer('srv'), { host: 'srv', port: 2330, secure: false });
  t.strictSame(parseServer('[::1]:7'), { host: '::1', port: 7, secure: false });
  t.strictSame(parseServer('rsynds://u@srv:9/'), { host: 'srv', port: 9, secure: true, user: 'u' });
});

t.test('what cannot be meant is refused with its code and a way out', async (t) => {
  const cases: readonly (readonly [() => unknown, string, RegExp])[] = [
    [() => parseFilespec(''), 'ERR_FILSPC', /name is missing/],
    [() => parseFilespec('@srv'), 'ERR_FILSPC', /name is missing/],
    [() => parseFilespec('a\0b@srv'), 'ERR_FILSPC', /NUL/],
    [() => parseFilespec(`${'x'.repeat(10_000)}@srv`), 'ERR_FILSPC', /more than 512 bytes/],
    [() => parseFilespec('rsynds://srv/'), 'ERR_FILSPC', /name is missing/],
    [() => parseFilespec('rsynds://srv/%zz'), 'ERR_FILSPC', /%-escape/],
    [() => parseFilespec('rsynd://srv/x'), 'ERR_FILSPC', /rsynds:\/\//],
    [() => parseFilespec('orders@'), 'ERR_BADHOST', /host is missing/],
    [() => parseFilespec('orders@:2330'), 'ERR_BADHOST', /host is missing/],
    [() => parseFilespec('orders@::1'), 'ERR_BADHOST', /brackets/],
    [() => parseFilespec('orders@[srv]'), 'ERR_BADHOST', /IPv6/],
    [() => parseFilespec('orders@a b'), 'ERR_BADHOST', /no host name/],
    [() => parseFilespec('orders@srv:0'), 'ERR_BADHOST', /port "0"/],
    [() => parseFilespec('orders@srv:65536'), 'ERR_BADHOST', /1 to 65535/],
    [() => parseFilespec('orders@srv:http'), 'ERR_BADHOST', /port "http"/],
    [() => parseServer('rsynds://srv/orders'), 'ERR_BADHOST', /no file name/],
    [() => parseServer('rsynd://srv'), 'ERR_BADHOST', /not known/],
  ];
  for (const [call, code, message] of cases) t.throws(call, { code, message });
});

t.test('a password in a URL is refused and not repeated', async (t) => {
  try {
    parseFilespec('rsynds://shop:s3cret@srv/orders');
    t.fail('must throw');
  } catch (error) {
    t.ok(isRsyndError(error, 'ERR_BADHOST'));
    t.notMatch(String(error), /s3cret/);
  }
});
