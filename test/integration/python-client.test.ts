// The Python client, written from PROTOCOL.md alone, against the real daemon over TLS: proof that
// the page is enough to write a client in another language.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { alpha, decimal, defineFile, isamc, open } from '../../client/index.js';
import { type CertificateFiles, writeCertificate } from '../fixture/certificate.js';
import { cleanEnvironment, startDaemon } from '../fixture/daemon.js';

const RECORDS = 5000;

const customerFile = defineFile({
  fields: { number: alpha(6), city: alpha(8), total: decimal(9) },
  keys: {
    number: { parts: ['number'] },
    city: { parts: ['city'], dups: 'fifo', modifiable: true },
  },
  networkEncrypt: true,
});
const RECORD_BYTES = 6 + 8 + 9;
const CITIES = ['AMSTERDM', 'BERLIN', 'CORK'];

const hasPython = spawnSync('python3', ['--version']).status === 0;
const skip = hasPython ? false : 'skipped: needs python3';
if (process.env.CI === 'true') t.ok(hasPython, 'python3 is there, as it must be in CI');

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function python(args: readonly string[]): Promise<Outcome> {
  const child = spawn('python3', ['-B', ...args], {
    env: cleanEnvironment({ PYTHONPATH: 'client/python' }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

async function makeCustomers(directory: string): Promise<void> {
  const path = join(directory, 'customers.ism');
  await isamc(path, customerFile);
  await using channel = await open(path, { mode: 'update', definition: customerFile });
  await channel.storeMany(
    Array.from({ length: RECORDS }, (_, index) => ({
      number: `C${String(index).padStart(5, '0')}`,
      city: CITIES[index % CITIES.length] ?? '',
      total: index,
    })),
  );
}

interface Scene {
  readonly port: number;
  readonly certificate: CertificateFiles;
  /** `customers.ism@localhost:PORT`. */
  readonly filespec: string;
}

async function makeScene(t: Test): Promise<Scene> {
  const home = t.testdir({});
  const data = join(home, 'data');
  mkdirSync(data);
  await makeCustomers(data);
  const certificate = await writeCertificate(home);
  const args = ['-d', data, '-n', '-u', 'demo', '-encrypt', '-cert', certificate.bundle];
  const { port } = await startDaemon(t, args);
  return { port, certificate, filespec: `customers.ism@localhost:${port}` };
}

/** What the Python program does and prints as JSON; the assertions are below, in TypeScript. */
const PROGRAM = String.raw`
import json, sys
from rsynd import Connection, RsyndError
port, ca = int(sys.argv[1]), sys.argv[2]
seen = {}

def errno(call):
    try:
        call()
        return 0
    except RsyndError as error:
        return error.errno

def text(record):
    return record.data.decode('latin1')

seen['wrong authority'] = errno(lambda: Connection('localhost', port))
seen['wrong name'] = errno(lambda: Connection('localhost', port, ca_file=ca,
                                              server_name='elsewhere'))
seen['plain'] = errno(lambda: Connection('localhost', port, plain=True))

with Connection('localhost', port, ca_file=ca) as connection:
    seen['user'] = connection.user
    seen['tls'] = connection.tls[0]
    connection.ping()
    seen['no file'] = errno(lambda: connection.open('nothing.ism'))
    with connection.open('customers.ism', mode='update') as customers, \
            connection.open('customers.ism') as reader:
        seen['spec'] = [customers.spec['record']['size'], customers.spec['networkEncrypt'],
                        [key['name'] for key in customers.spec['keys']]]
        seen['isinfo'] = [reader.isinfo('NUMRECS'), reader.isinfo('KEYNAME', 1)]
        seen['get'] = reader.get(b'C00042').decode('latin1')
        seen['get nothing'] = reader.get(b'X00042')
        seen['eq miss'] = errno(lambda: reader.read(b'X00042'))
        seen['bad key'] = errno(lambda: reader.get(b'C00042', key=9))
        seen['gen'] = text(reader.read(b'B', key=1, match='gen'))
        seen['reads'] = [text(reader.reads()), text(reader.reads('reverse'))]
        seen['last'] = text(reader.last())
        seen['end'] = reader.reads()
        record = customers.read(b'C00007', lock='auto')
        seen['locked'] = [record.locked, errno(lambda: connection.open('customers.ism', 'update')
                                               .read(b'C00007', lock='auto'))]
        customers.write(record.data[:14] + b'000000777')
        seen['written'] = reader.get(b'C00007').decode('latin1')
        seen['changed'] = errno(lambda: reader.at(record.rfa + record.crc.to_bytes(4, 'big')))
        stored = customers.store(b'D00001CORK    000000001')
        seen['stored'] = [len(stored.rfa), text(reader.at(stored.rfa))]
        seen['duplicate'] = errno(lambda: customers.store(b'D00001CORK    000000001'))
        customers.first(lock='auto')
        customers.delete()
        seen['deleted'] = reader.get(b'C00000')
        scanned = list(reader.scan(credit=4096))
        seen['scan'] = [len(scanned), scanned == sorted(scanned), sum(map(len, scanned))]
        backwards = list(reader.scan(direction='reverse'))
        seen['reverse'] = backwards == scanned[::-1]
        seen['stored order'] = sorted(reader.scan(key=None)) == scanned
        early = reader.scan(credit=1000)
        seen['early'] = next(early).decode('latin1')
        early.close()
        two = reader.scan(), reader.scan(key=1)
        seen['two at once'] = sum(1 for _ in zip(*two))
        seen['alive'] = reader.get(b'C00001') is not None
print(json.dumps(seen))
`;

t.test('the Python client does over TLS what PROTOCOL.md says', { skip }, async (t) => {
  const { port, certificate } = await makeScene(t);
  const { code, stdout, stderr } = await python(['-c', PROGRAM, `${port}`, certificate.ca]);
  t.equal(code, 0, stderr);
  const seen = JSON.parse(stdout) as Record<string, unknown>;
  t.strictSame(seen, {
    'wrong authority': 319,
    'wrong name': 319,
    plain: 319,
    user: 'demo',
    tls: 'TLSv1.3',
    'no file': 18,
    spec: [RECORD_BYTES, true, ['number', 'city']],
    isinfo: [RECORDS, 'city'],
    get: 'C00042AMSTERDM000000042',
    'get nothing': null,
    'eq miss': 64,
    'bad key': 52,
    gen: 'C00001BERLIN  000000001',
    reads: ['C00004BERLIN  000000004', 'C00001BERLIN  000000001'],
    last: 'C04999BERLIN  000004999',
    end: null,
    locked: [true, 40],
    written: 'C00007BERLIN  000000777',
    changed: 9002,
    stored: [6, 'D00001CORK    000000001'],
    duplicate: 54,
    deleted: null,
    scan: [RECORDS, true, RECORDS * RECORD_BYTES],
    reverse: true,
    'stored order': true,
    early: 'C00001BERLIN  000000001',
    'two at once': RECORDS,
    alive: true,
  });
});

t.test('its program prints a record by key and counts the others', { skip }, async (t) => {
  const { certificate, filespec } = await makeScene(t);
  const program = 'client/python/rsynd.py';
  const trust = ['--ca', certificate.ca];
  const good = await python([program, filespec, ...trust, '--key', 'C00042', '--scan']);
  t.match(good, { code: 0, stderr: '' });
  const [opened, ...rest] = good.stdout.trimEnd().split('\n');
  t.match(opened, /^opened customers.ism: records of 23 bytes, 2 keys, user demo, TLSv1\.3 TLS_/);
  t.strictSame(rest, [
    'record C00042AMSTERDM000000042',
    `scanned ${RECORDS} records, ${RECORDS * RECORD_BYTES} bytes`,
  ]);
  const miss = await python([program, filespec, ...trust, '--key', 'NOBODY']);
  t.match(miss, { code: 3, stderr: /Record not found.*\(64\)/ });
  const plain = await python([program, filespec, '--plain']);
  t.match(plain, { code: 6, stderr: /^rsynd.py: Client server error, host: .*\(319\)/ });
  const distrusted = await python([program, filespec]);
  t.match(distrusted, { code: 6, stderr: /certificate/i });
  const help = await python([program, '--help']);
  t.match(help, { code: 0, stdout: /FILE@HOST\[:PORT\]/ });
});
