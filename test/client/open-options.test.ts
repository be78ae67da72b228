import t from 'tap';
import { type OpenOptions, resolveConnect, resolveOpen } from '../../client/open-options.js';

const secure = { host: 'srv', port: 2330, secure: true, user: 'shop' };

t.test('what asks for TLS makes it required, nothing makes it preferred', async (t) => {
  const cases: readonly (readonly [OpenOptions, string, number])[] = [
    [{}, 'preferred', 0],
    [{ tls: {} }, 'preferred', 0],
    [{ tls: { servername: 'x' } }, 'preferred', 0],
    [{ encrypt: false }, 'none', 0],
    [{ encrypt: true }, 'required', 0],
    [{ scl: 4 }, 'required', 4],
    [{ scl: 0 }, 'required', 0],
    [{ options: '/encrypt' }, 'required', 0],
    [{ options: '/ENCRYPT/scl=2' }, 'required', 2],
    [{ options: ' /scl=3  /encrypt ' }, 'required', 3],
    [{ options: '', scl: 1 }, 'required', 1],
    [{ options: '/scl=3', scl: 3, encrypt: true }, 'required', 3],
    [{ tls: { ca: 'ca.pem' } }, 'preferred', 0],
    [{ tls: { pin: 'sha256/x' } }, 'required', 0],
  ];
  for (const [options, encryption, scl] of cases) {
    t.match(resolveConnect(options), { encryption, scl }, JSON.stringify(options));
  }
  t.match(resolveConnect({}, secure), { encryption: 'required', user: 'shop', timeoutMs: 10_000 });
});

t.test('what contradicts itself or is unknown is refused by name', async (t) => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ options: '/encrypted' }, /"\/encrypted" is not known; there are \/encrypt and \/scl/],
    [{ options: 'encrypt' }, /"encrypt" is not known/],
    [{ options: '/scl=5' }, /scl must be 0, 1, 2, 3 or 4, not "5"/],
    [{ options: '/scl=' }, /scl must be/],
    [{ options: 7 }, /options must be a string/],
    [{ options: '/scl=3', scl: 4 }, /scl is given twice, as 4 and as 3/],
    [{ options: '/scl=3 /scl=2' }, /\/scl is given twice/],
    [{ options: '/encrypt', encrypt: false }, /encrypt is given twice/],
    [{ encrypt: false, scl: 3 }, /encrypt is false, yet scl asks for TLS/],
    [{ encrypt: false, tls: { ca: 'x', pin: 'y' } }, /tls\.pin asks for TLS/],
    [{ encrypt: 'yes' }, /encrypt must be true or false/],
    [{ scl: '3' }, /scl must be/],
    [{ encypt: true }, /"encypt" is no option; there are encrypt, scl/],
    [{ tls: { rejectUnauthorized: false } }, /"rejectUnauthorized" is no tls option/],
    [{ tls: { key: 'x' } }, /tls\.key is given without tls\.cert/],
    [{ tls: { servername: 1 } }, /tls\.servername must be a string/],
    [{ timeoutMs: 0 }, /timeoutMs/],
    [{ timeoutMs: Number.POSITIVE_INFINITY }, /timeoutMs/],
    [{ timeoutMs: Number.NaN }, /timeoutMs/],
    [{ signal: {} }, /AbortSignal/],
    [{ user: '' }, /user must be/],
    [{ user: 'x'.repeat(200) }, /1 to 128 bytes/],
    [{ password: 'secret' }, /without a user/],
  ];
  for (const [options, message] of cases) {
    t.throws(() => resolveConnect(options), { code: 'ERR_INVARG', message }, String(message));
  }
  t.throws(() => resolveConnect({ encrypt: false }, secure), { message: /rsynds:\/\// });
  t.throws(() => resolveConnect({ user: 'other' }, secure), { message: /user is given twice/ });
});

t.test('open modes have their defaults, and unknown words are ERR_BADMODE', async (t) => {
  t.strictSame(resolveOpen({}), { mode: 'input', share: 'all', lock: 'none' });
  t.strictSame(resolveOpen({ mode: 'update' }), { mode: 'update', share: 'all', lock: 'auto' });
  t.strictSame(resolveOpen({ mode: 'update', lock: 'none', share: 'read' }), {
    mode: 'update',
    share: 'read',
    lock: 'none',
  });
  for (const wrong of [{ mode: 'write' }, { share: 'none' }, { lock: 'manual' }]) {
    t.throws(() => resolveOpen(wrong as unknown as OpenOptions), { code: 'ERR_BADMODE' });
  }
});
