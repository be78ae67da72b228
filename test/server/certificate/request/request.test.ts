import t from 'tap';
import {
  alternativeNamesExtension,
  parseAlternativeNames,
  writeAlternativeName,
} from '../../../../server/certificate/request/alternative-names.js';
import { checkName } from '../../../../server/certificate/request/distinguished-name.js';
import { makeKey } from '../../../../server/certificate/request/make-key.js';
import { makeRequest } from '../../../../server/certificate/request/make-request.js';
import { readRequest } from '../../../../server/certificate/request/read-request.js';
import { alternativeNamesMax } from '../../../../shared/base/limits.js';

t.test('alternative names are read with and without their kind', async (t) => {
  const names = parseAlternativeNames([
    'dns:db.example,ip:10.0.0.1',
    'DNS:*.example, ::1',
    'localhost,10.1.2.3,ops@db.example,uri:urn:x',
  ]);
  t.same(names.map(writeAlternativeName), [
    'dns:db.example',
    'ip:10.0.0.1',
    'dns:*.example',
    'ip:::1',
    'dns:localhost',
    'ip:10.1.2.3',
    'email:ops@db.example',
    'uri:urn:x',
  ]);
  t.same(parseAlternativeNames(['', ' , ']), []);
  const bad = ['dns:a b', 'dns:', 'ip:300.1.1.1', 'ip:db', 'email:x', 'dns:ä.de', 'dns:-a', 'a..b'];
  for (const text of bad) {
    t.throws(() => parseAlternativeNames([text]), { code: 'ERR_INVARG' }, text);
  }
  const many = new Array<string>(alternativeNamesMax + 1).fill('dns:a');
  t.throws(() => parseAlternativeNames(many), { code: 'ERR_INVARG', message: /at most 256/ });
  t.equal(parseAlternativeNames(many.slice(1)).length, alternativeNamesMax);
});

t.test('a request reads back as it was made', async (t) => {
  const addresses = ['ip:2001:db8::ff00:42:8329', 'ip:::', 'ip:1::', 'ip:::ffff:1.2.3.4'];
  const names = parseAlternativeNames(['dns:db.example', ...addresses, 'email:a@b.c']);
  const key = await makeKey('ec');
  const pem = makeRequest({ commonname: 'Zoë', country: 'de' }, names, key);
  const read = readRequest(Buffer.from(pem), 'x');
  t.same(read.names.map(writeAlternativeName), [
    'dns:db.example',
    'ip:2001:db8:0:0:0:ff00:42:8329',
    'ip:0:0:0:0:0:0:0:0',
    'ip:1:0:0:0:0:0:0:0',
    'ip:0:0:0:0:0:ffff:102:304',
    'email:a@b.c',
  ]);
  t.equal(read.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  t.ok(read.subject.includes(Buffer.from('Zoë')));
  t.ok(read.subject.includes(Buffer.from('DE')), 'countries are capitals');
  const many = parseAlternativeNames(
    Array.from({ length: alternativeNamesMax }, (_, number) => `dns:${'x'.repeat(60)}${number}`),
  );
  const large = readRequest(Buffer.from(makeRequest({ commonname: 'x' }, many, key)), 'x');
  t.equal(large.names.length, alternativeNamesMax);
  t.ok(alternativeNamesExtension(names).toBER().byteLength > 50);
});

t.test('a request that is cut or changed anywhere is refused', async (t) => {
  const pem = makeRequest({ commonname: 'x' }, parseAlternativeNames(['a']), await makeKey('ec'));
  const der = Buffer.from(pem.replace(/-----.+-----|\n/g, ''), 'base64');
  const whole = readRequest(der, 'whole');
  for (let length = 0; length < der.length; length++) {
    const cut = der.subarray(0, length);
    t.throws(() => readRequest(cut, 'cut'), { code: 'ERR_BADCERT' }, `cut at ${length}`);
  }
  for (let at = 0; at < der.length; at++) {
    const changed = Buffer.from(der);
    changed[at] = (changed[at] ?? 0) ^ 0x55;
    // The frame around what is signed may differ; what is signed may not.
    try {
      const { subject, names } = readRequest(changed, 'changed');
      t.same({ subject, names }, { subject: whole.subject, names: whole.names }, `at ${at}`);
    } catch (error) {
      t.match(error, { code: 'ERR_BADCERT' }, `changed at ${at}`);
    }
  }
});

t.test('parts of a name that cannot be written are named', async (t) => {
  const bad = {
    country: ['USA', '1'],
    commonname: ['x'.repeat(65), 'a\nb'],
    org: ['x'.repeat(65)],
    email: ['nobody', 'ü@x'],
  };
  for (const [field, values] of Object.entries(bad)) {
    for (const value of values) {
      t.throws(() => checkName({ [field]: value }), {
        code: 'ERR_INVARG',
        message: new RegExp(`: ${field} `),
      });
    }
  }
  checkName({});
});
