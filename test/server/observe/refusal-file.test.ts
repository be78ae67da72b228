// What is kept of refused connections: found by id, bounded, readable by nobody else, and never fatal.

import { appendFileSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Refusal } from '../../../server/net/refusal.js';
import { RefusalFile } from '../../../server/observe/refusal-file.js';
import { newRefusalId, parseRefusalId } from '../../../server/observe/refusal-id.js';
import { StateDirectory } from '../../../server/state/state-directory.js';
import { refusalFileBytesMax, refusalTextCharsMax } from '../../../shared/base/limits.js';
import { temporaryDirectory } from '../../fixture/temporary-directory.js';

const refusal = (id: string, reason = 'because'): Refusal => ({
  id,
  peer: { address: '127.0.0.1', port: 1 },
  code: 'CERT_REVOKED',
  reason,
  advice: 'ask',
});

t.test('ids can be read out and typed again', async (t) => {
  const ids = Array.from({ length: 1000 }, newRefusalId);
  t.equal(new Set(ids).size, 1000);
  t.ok(ids.every((id) => /^[2-9A-HJKMNP-Z]{8}$/.test(id)));
  t.equal(parseRefusalId(' k7q2-m9xa '), 'K7Q2M9XA');
  for (const wrong of ['', 'K7Q2M9X', 'K7Q2M9XA2', 'K7Q2M9X0', 'K7Q2M9XI']) {
    t.equal(parseRefusalId(wrong), undefined, wrong);
  }
});

t.test('a refusal is found by its id; damage beside it is passed over', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  const file = new RefusalFile(state);
  t.equal(file.find('AAAA2222'), undefined, 'nothing there yet');
  t.ok(file.append(refusal('AAAA2222', 'x'.repeat(9999)), new Date(0)));
  const [name = ''] = readdirSync(state.path);
  const path = join(state.path, name);
  appendFileSync(path, '{"id":"cut off by a cra\nnull\n{"id":7}\n');
  file.append(refusal('BBBB2222'));
  t.match(file.find('AAAA2222'), { time: '1970-01-01T00:00:00.000Z', code: 'CERT_REVOKED' });
  t.equal(file.find('AAAA2222')?.reason.length, refusalTextCharsMax);
  t.strictSame(
    file.list().map(({ id }) => id),
    ['BBBB2222', 'AAAA2222'],
  );
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal(statSync(state.path).mode & 0o777, 0o700);
  t.strictSame(state.list(), [], 'it is no state: nobody is woken by it');
});

t.test('a full file is put aside, and there are never more than two', async (t) => {
  const state = new StateDirectory(temporaryDirectory(t));
  const file = new RefusalFile(state);
  const long = 'y'.repeat(refusalTextCharsMax);
  const perFile = Math.ceil(refusalFileBytesMax / refusalTextCharsMax);
  for (let count = 0; count < 3 * perFile; count++) file.append(refusal(newRefusalId(), long));
  file.append(refusal('LATE2222'));
  const sizes = readdirSync(state.path).map((name) => statSync(join(state.path, name)).size);
  t.equal(sizes.length, 2);
  t.ok(
    sizes.every((size) => size <= refusalFileBytesMax + 2048),
    String(sizes),
  );
  t.ok(file.find('LATE2222'));
});

t.test('where nothing can be written, nothing is kept and nothing fails', async (t) => {
  const data = temporaryDirectory(t);
  const state = new StateDirectory(data);
  writeFileSync(state.path, 'a file where the directory should be');
  t.notOk(new RefusalFile(state).append(refusal('AAAA2222')));
  mkdirSync(join(data, 'free'));
  t.ok(new RefusalFile(new StateDirectory(join(data, 'free'))).append(refusal('AAAA2222')));
});
