// What somebody on the way can read: nothing. A proxy between client and server keeps every byte.

import t from 'tap';
import { connect, isRsyndError } from '../../client/index.js';
import { writeCertificate } from '../fixture/certificate.js';
import { startDaemon } from '../fixture/daemon.js';
import { startRecordingProxy } from '../fixture/recording-proxy.js';
import { EMPLOYEE_NAME, employeeFile, makeStaffFiles } from '../fixture/staff.js';
import { temporaryDirectory } from '../fixture/temporary-directory.js';

const USER = 'user-name-to-look-for';

/** Splits a byte stream into TLS records and gives their types; throws when it is anything else. */
function tlsRecordTypes(stream: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at < stream.length; ) {
    if (stream[at + 1] !== 3) throw new Error(`no TLS record at ${at}`);
    types.push(stream.readUInt8(at));
    at += 5 + stream.readUInt16BE(at + 3);
  }
  return types;
}

t.test('a whole session leaves nothing in clear, in either direction', async (t) => {
  const data = temporaryDirectory(t);
  await makeStaffFiles(data);
  const { bundle, ca } = await writeCertificate(data);
  const server = await startDaemon(t, [
    '-d',
    data,
    '-n',
    '-u',
    USER,
    '-encrypt',
    `-cert=${bundle}`,
  ]);
  const proxy = await startRecordingProxy(t, server.port);

  const connection = await connect(`rsynds://${USER}@localhost:${proxy.port}`, { tls: { ca } });
  const employees = await connection.open('employee', { mode: 'update', definition: employeeFile });
  t.equal((await employees.read(1)).name, EMPLOYEE_NAME, 'the record arrives');
  await t.rejects(employees.read(999), { code: 'ERR_RNF' }, 'so does an error');
  await t.rejects(connection.open('no-such-file'), { code: 'ERR_FNF' });
  await employees.close();
  await connection.close();

  const secrets = [USER, 'employee', 'EMPLOYEE', EMPLOYEE_NAME, 'no-such-file', 'Record not found'];
  for (const [direction, bytes] of [
    ['client to server', proxy.fromClient()],
    ['server to client', proxy.fromServer()],
  ] as const) {
    const found = secrets.filter((secret) => bytes.includes(secret));
    t.comment(
      `${direction}: ${bytes.length} bytes, looked for ${secrets.length} texts, found ${found}`,
    );
    t.strictSame(found, [], `${direction}: no name, file or record`);
    const types = tlsRecordTypes(bytes);
    t.ok(types.length > 3, `${direction}: TLS records`);
    t.ok(
      types.every((type) => type >= 20 && type <= 23),
      `${direction}: nothing but TLS records`,
    );
  }
});

t.test('with /encrypt against a plain server nothing but a ClientHello leaves', async (t) => {
  const data = temporaryDirectory(t);
  await makeStaffFiles(data);
  const server = await startDaemon(t, ['-d', data, '-n', '-u', USER]);
  const proxy = await startRecordingProxy(t, server.port);
  const started = Date.now();
  const error = await connect(`localhost:${proxy.port}`, { options: '/encrypt', user: USER }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  t.ok(isRsyndError(error, 'ERR_CLNTERR'), 'the client says so');
  t.match(String(error), /Client server error, host: localhost/);
  t.match(
    String(error),
    'Error requesting secure connection: socket error: an EOF was observed that violates the protocol.',
  );
  t.ok(Date.now() - started < 5000, 'at once, not after its budget');
  const sent = proxy.fromClient();
  const handshake = 22;
  const clientHello = 1;
  t.ok(
    tlsRecordTypes(sent)
      .slice(0, 1)
      .every((type) => type === handshake),
  );
  t.equal(sent[5], clientHello, 'the first message is a ClientHello');
  t.equal(sent.length >= 5 + sent.readUInt16BE(3), true);
  const rest = tlsRecordTypes(sent).slice(1);
  t.ok(
    rest.every((type) => type === 21),
    'after it at most an alert',
  );
  t.notOk(sent.includes(USER), 'no user name');
});
