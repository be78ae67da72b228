import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import t, { type Test } from 'tap';
import { createLockManager } from '../../server/lock/create-lock-manager.js';
import { createLmdbLockStores } from '../../server/lock/lmdb-lock-store.js';
import { createLmdbEngine } from '../../server/storage/lmdb/engine.js';
import { isutlArguments, isutlProgram } from '../../server/tool/isutl-program.js';
import { LocalFiles, READING } from '../../server/tool/local-files.js';
import { Tool } from '../../server/tool/tool.js';
import { errorText, exitStatusOfError } from '../../shared/cli/fail.js';
import { parseXdl } from '../../shared/record/xdl.js';

const XDL = `
FILE
  KEYS 2
  TEXT "plants"
RECORD
  SIZE 30
KEY 0
  START 1 ; LENGTH 6 ; TYPE decimal ; NAME NUMBER
KEY 1
  START 7 ; LENGTH 10 ; NAME NAME ; DUPLICATES yes ; DUPLICATE_ORDER fifo ; MODIFIABLE yes
`;

const SCHEMA = `
Structure PLANT   DBL ISAM
Field NUMBER   Type DECIMAL   Size 6
Field NAME   Type ALPHA   Size 10
Field PRICE   Type DECIMAL   Size 7   Precision 2
Field NOTE   Type ALPHA   Size 7
Structure OTHER   DBL ISAM
Field X   Type ALPHA   Size 3
`;

interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

const text = (stream: PassThrough | Writable): string =>
  'read' in stream ? String(stream.read() ?? '') : '';

function localFiles(): LocalFiles {
  const locks = createLockManager(createLmdbLockStores());
  return new LocalFiles({ engine: createLmdbEngine(), locks, user: 'tester' });
}

/** Runs one command in this process, as the program does. */
async function isutl(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  stdout: PassThrough | Writable = new PassThrough({ highWaterMark: 2 ** 24 }),
): Promise<Outcome> {
  const stderr = new PassThrough({ highWaterMark: 2 ** 24 });
  const tool = new Tool({ stdout, stderr, env, openFiles: async () => localFiles() });
  const program = isutlProgram(tool, '1.2.3').configureOutput({
    writeOut: (each) => stdout.write(each),
    writeErr: (each) => stderr.write(each),
  });
  try {
    await program.parseAsync(isutlArguments(program, args), { from: 'user' });
  } catch (error) {
    stderr.write(`${errorText(error, args.includes('--json')) ?? ''}\n`);
    return { status: exitStatusOfError(error), out: text(stdout), err: text(stderr) };
  } finally {
    await tool.close();
  }
  return { status: tool.status, out: text(stdout), err: text(stderr) };
}

const RECORDS = Array.from({ length: 1500 }, (_, index) => {
  const number = String(index + 1).padStart(6, '0');
  const name = `plant ${index % 7}`.padEnd(10);
  const price = String((index * 37) % 10_000).padStart(7, '0');
  return `${number}${name}${price}${index % 3 === 0 ? '' : 'a note'}`;
});

/** A directory with the definition, the schema and 1500 rows. */
function shop(t: Test): (name: string) => string {
  const directory = t.testdir({
    'plant.xdl': XDL,
    'shop.scm': SCHEMA,
    'plant.txt': `${RECORDS.join('\n')}\n`,
  });
  return (name) => join(directory, name);
}

async function filled(t: Test): Promise<(name: string) => string> {
  const at = shop(t);
  const made = await isutl([
    'create',
    at('plant'),
    '--xdl',
    at('plant.xdl'),
    '-repository',
    at('shop.scm'),
  ]);
  t.equal(made.status, 0, made.err);
  const loaded = await isutl(['load', at('plant'), at('plant.txt'), '-format=fixed']);
  t.equal(loaded.status, 0, loaded.err);
  return at;
}

t.test('create, load and unload give back every byte, whatever the format', async (t) => {
  const at = shop(t);
  const args = ['--xdl', at('plant.xdl'), '--repository', at('shop.scm'), '--structure', 'plant'];
  const made = await isutl(['create', at('shop'), ...args]);
  t.equal(made.err, '');
  t.match(made.out, 'shop.ism: created, fixed records of 30 bytes, 2 keys, 4 fields');
  const loaded = await isutl(['load', at('shop'), at('plant.txt'), '--format', 'fixed']);
  const total = RECORDS.reduce((sum, record) => sum + Number(record.slice(16, 23)), 0);
  const totals = [
    `  total NUMBER  ${String((1500 * 1501) / 2).padStart(10)}`,
    `  total PRICE   ${(total / 100).toFixed(2).padStart(10)}`,
  ].map((line) => line.replace(/ +(?=\S+$)/, ' '));
  const squeezed = (each: string): string => each.replace(/ +(?=\S+$)/gm, ' ');
  t.match(loaded.out, 'shop: 1500 of 1500 records stored, 0 bad rows');
  t.match(squeezed(loaded.out), totals.join('\n'));
  const sorted = (each: string): string => each.slice(0, -1).split('\n').sort().join('\n');
  const padded = RECORDS.map((record) => record.padEnd(30))
    .sort()
    .join('\n');
  for (const format of ['fixed', 'csv', 'jsonl']) {
    const copy = at(`copy-${format}`);
    const unloaded = await isutl(['unload', at('shop'), `${copy}.out`, '--format', format]);
    t.match(squeezed(unloaded.out), totals.join('\n'), format);
    t.equal((await isutl(['create', copy, ...args])).status, 0);
    const again = await isutl(['load', copy, `${copy}.out`, '--format', format]);
    t.equal(again.status, 0, again.err);
    const back = await isutl(['unload', copy, '--format', 'fixed', '--key', 'name']);
    t.equal(sorted(back.out), padded, format);
    t.match(back.err, '1500 of 1500 records written', 'stdout carries nothing but data');
  }
});

t.test('unload orders by a key', async (t) => {
  const at = await filled(t);
  const byName = (await isutl(['unload', at('plant'), '-', '--format', 'fixed', '--key', '1'])).out;
  const keyOf = (record: string): string => record.slice(6, 16) + record.slice(0, 6);
  const expected = RECORDS.map((record) => record.padEnd(30)).sort((a, b) =>
    keyOf(a) < keyOf(b) ? -1 : 1,
  );
  t.equal(byName, `${expected.join('\n')}\n`);
  t.match(await isutl(['unload', at('plant'), '--format', 'csv', '--key', 'size']), {
    status: 1,
    err: /there is no key size of .*plant; it has 0 NUMBER, 1 NAME/,
  });
});

t.test('load tells bad rows by line and stores the others', async (t) => {
  const at = await filled(t);
  writeFileSync(
    at('more.csv'),
    'NUMBER,NAME,PRICE\n2001,new,1.50\n1,again,1.00\nx,bad,1\n2002,new,2\n',
  );
  const args = ['load', at('plant'), at('more.csv'), '--format', 'csv'];
  const loaded = await isutl(args);
  t.equal(loaded.status, 1);
  t.match(loaded.err, /^line 4: Bad data: field NUMBER takes a decimal number$/m);
  t.match(loaded.err, /^line 3: Duplicate key specified/m);
  t.match(loaded.out, '2 of 4 records stored, 2 bad rows');
  t.match(loaded.out, /total NUMBER +4003\n/);
  const json = await isutl([...args, '--json', '--max-errors', '1']);
  t.equal(json.err, '');
  t.match(JSON.parse(json.out), { read: 4, stored: 0, bad: 2, complete: false });
});

t.test('load warns of rows whose numbers are none, and stores them', async (t) => {
  const at = await filled(t);
  const row = (number: string, price: string): string => `${number}new       ${price}`;
  const rows = [row('900001', 'secret!'), row('900002', '       '), row('900003', '000'), ''];
  writeFileSync(at('old.txt'), rows.join('\n'));
  const args = ['load', at('plant'), at('old.txt'), '--format', 'fixed'];
  const loaded = await isutl(args);
  t.equal(loaded.status, 0);
  t.equal(
    loaded.err,
    'line 1: warning: field PRICE holds no number\n' +
      'line 3: warning: field PRICE is cut off by the end of the line\n',
  );
  t.match(loaded.out, '3 of 3 records stored, 0 bad rows, 2 questionable rows (stored)');
  const out = (await isutl(['unload', at('plant'), '--format', 'fixed', '-m0'])).out;
  for (const each of rows.slice(0, 3)) t.ok(out.includes(`${each.padEnd(30)}\n`), 'as it came');
  const copy = at('copy');
  const made = ['create', copy, '--xdl', at('plant.xdl'), '--repository', at('shop.scm')];
  t.equal((await isutl([...made, '--structure', 'plant'])).status, 0);
  const json = await isutl(['load', copy, at('old.txt'), '--format', 'fixed', '--json']);
  t.match(JSON.parse(json.out), { stored: 3, bad: 0, questionable: 2, doubts: [{ line: 1 }, {}] });
});

t.test('a load that stops says how many rows were not tried', async (t) => {
  const at = await filled(t);
  writeFileSync(at('more.csv'), 'NUMBER,NAME\n2001,new\n1,again\n2002,new\n2003,new\n');
  const args = ['load', at('plant'), at('more.csv'), '--format', 'csv', '--max-errors', '0'];
  const loaded = await isutl(args);
  t.equal(loaded.status, 1);
  t.match(loaded.out, '1 of 4 records stored, 1 bad rows');
  t.match(loaded.err, '--max-errors allows; 2 of the rows read were not tried');
});

t.test('an unload into a pipe that is closed is not complete', async (t) => {
  const at = await filled(t);
  const closed = () =>
    new Writable({
      write: (_chunk, _encoding, done) =>
        done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    });
  const args = ['unload', at('plant'), '--format', 'fixed'];
  const told = await isutl(args, {}, closed());
  t.equal(told.status, 1);
  t.match(told.err, 'stopped: the output was closed before its end');
  const json = await isutl([...args, '--json'], {}, closed());
  t.match(JSON.parse(json.err), { complete: false, bad: 0 });
  t.equal(json.status, 1);
});

t.test('select finds records, by its question and by its options', async (t) => {
  const at = await filled(t);
  const select = (...args: string[]) => isutl(['select', at('plant'), ...args]);
  const rows = await select('number <= 3 order by number desc', '--jsonl');
  t.equal(rows.status, 0, rows.err);
  const numbers = rows.out
    .trim()
    .split('\n')
    .map((row) => JSON.parse(row).NUMBER);
  t.strictSame(numbers, [3, 2, 1]);
  t.equal(rows.err, '3 rows\n');
  t.equal((await select("name = 'plant 1'", '-count')).out, '215\n');
  t.equal((await select('', '--limit', '2', '--fields', 'number', '--csv')).out, 'number\n1\n2\n');
  const table = await select('number = 7', '--fields=number,name');
  t.equal(table.out, 'number  name\n------  -------\n     7  plant 6\n');
  const groups = await select('group by name: count as n', '--order-by', 'name', '--json');
  t.match(JSON.parse(groups.out)[0], { name: 'plant 0', n: 215 });
  t.match(JSON.parse((await select('number = 7', '--explain', '--json')).out), {
    order: 'none',
    estimate: Number,
  });
  t.match((await select('number = 7', '--explain')).out, /^key +\d/);
  t.match(await select('nummer = 7'), { status: 1, out: '', err: /no field "nummer".*NUMBER/ });
  t.match(await select('number ='), { status: 1, err: /\n *\^/ });
  t.match(await select('number = 1', '--csv', '--jsonl'), { status: 2, err: /exclude each other/ });
  t.match(await isutl(['select', at('nothing')]), { status: 3 });
});

t.test('select works on records without field names, and beside others', async (t) => {
  const at = shop(t);
  await isutl(['create', at('bare'), '--xdl', at('plant.xdl')]);
  await isutl(['load', at('bare'), at('plant.txt'), '--format', 'fixed']);
  const found = await isutl(['select', at('bare'), "rec(1,6) = '000007'", '--json']);
  t.match(JSON.parse(found.out), [{ record: /^000007plant 6 / }]);
  const bytes = await isutl([
    'select',
    at('bare'),
    '--fields',
    'rec(7,7)',
    '--limit',
    '1',
    '--csv',
  ]);
  t.equal(bytes.out, '"rec(7,7)"\nplant 0\n');
});

t.test('info, xdl and the flag tell of and change the header only', async (t) => {
  const at = await filled(t);
  const before = await isutl(['unload', at('plant'), '--format', 'fixed', '-m0']);
  const info = await isutl(['info', at('plant')]);
  t.match(info.out, /records +1500\n/);
  t.match(info.out, /network encrypt +no \(NETCRYPT 0\)/);
  t.match(info.out, 'key 1 NAME: 7:10 alpha, duplicates fifo, modifiable');
  t.match(info.out, 'PRICE  decimal 7.2, at 17');
  const set = await isutl(['-p', '-qfile=network_encrypt', at('plant')]);
  t.match(set, { status: 0, out: /network encrypt yes \(set\)/ });
  t.match(JSON.parse((await isutl(['--json', 'info', at('plant')])).out), {
    NETCRYPT: 1,
    records: 1500,
    text: 'plants',
    fields: [{ name: 'NUMBER' }, {}, {}, {}],
  });
  const xdl = await isutl(['xdl', at('plant')]);
  t.strictSame(parseXdl(xdl.out), { ...parseXdl(XDL), networkEncrypt: true });
  const cleared = await isutl(['-p6', '-qfile', 'nonetwork_encrypt', at('plant'), '--json']);
  t.strictSame(JSON.parse(cleared.out), [
    { file: at('plant'), networkEncrypt: false, changed: true },
  ]);
  t.equal((await isutl(['unload', at('plant'), '--format', 'fixed', '-m0'])).out, before.out);
});

t.test('-v checks and -r rebuilds each of several files', async (t) => {
  const at = await filled(t);
  writeFileSync(at('junk.ism'), 'no record file at all'.repeat(500));
  const verified = await isutl(['-v', '-m1', at('nothing'), at('junk.ism'), at('plant')]);
  t.equal(verified.status, 3, 'the first failure decides');
  t.match(verified.err, /error: File not found: .*\nerror: Not an ISAM file: /);
  t.match(verified.out, 'plant: 1500 records, 2 indexes, no problems');
  const told = await isutl(['--json', '-v', at('junk.ism')]);
  t.equal(JSON.parse(told.err).error.code, 'ERR_NOTISM');
  const rebuilt = await isutl(['-r', at('plant'), '--json']);
  t.match(JSON.parse(rebuilt.out), [{ records: 1500, entries: [1500, 1500], problemCount: 0 }]);
  const percent = await isutl(['-v', '-%', at('plant')]);
  t.match(percent.err, /verify .* 100%\n/);
  const damaged = readFileSync(at('plant.ism'));
  for (let at = damaged.indexOf('plant 3'); at >= 0; at = damaged.indexOf('plant 3', at + 1)) {
    damaged.write('PLANT', at, 'latin1');
  }
  writeFileSync(at('damaged.ism'), damaged);
  const found = await isutl(['-v', at('damaged.ism')]);
  t.equal(found.status, 8, found.out);
  t.not(found.err, '', 'says what is wrong');
});

t.test('a file in use elsewhere is left alone', async (t) => {
  const at = await filled(t);
  const others = localFiles();
  t.teardown(() => others.close());
  await others.with(at('plant'), READING, 'records', async () => {
    const attempts = [
      ['load', at('plant'), at('plant.txt'), '--format', 'fixed'],
      ['-r', at('plant')],
      ['-p', '-qfile=network_encrypt', at('plant')],
    ];
    for (const args of attempts) {
      t.match(await isutl(args), { status: 4, err: /File in use by another user/ }, `${args[0]}`);
    }
    t.equal((await isutl(['-v', at('plant')])).status, 0, 'reading goes beside reading');
  });
});

t.test('bad usage and missing things have their own exit statuses', async (t) => {
  const at = shop(t);
  const xdl = at('plant.xdl');
  const cases: readonly (readonly [args: readonly string[], status: number, err: RegExp])[] = [
    [['nonsense'], 2, /unknown command 'nonsense'/],
    [['create', at('x')], 2, /required option '--xdl <file>' not specified/],
    [['load', at('x'), at('y'), '--format', 'xml'], 2, /Allowed choices are fixed, csv, jsonl/],
    [['load', at('x'), at('y')], 2, /required option '--format <fixed\|csv\|jsonl>'/],
    [['unload', at('x')], 2, /required option '--format <fixed\|csv\|jsonl>'/],
    [['-p', at('x')], 2, /required option '--qfile <flag>'/],
    [['info', at('x'), '-m7'], 2, /it is 0, 1, 2 or 3/],
    [['create', at('x'), '--xdl', at('no.xdl')], 3, /no\.xdl is not there/],
    [['create', at('no/x'), '--xdl', xdl], 3, /is not there/],
    [['create', at('x'), '--xdl', at('plant.txt')], 1, /Bad XDL file: .*line 1, column 1/],
    [['create', at('x'), '--xdl', xdl, '--structure', 'PLANT'], 2, /needs the --repository/],
    [['create', at('x'), '--xdl', xdl, '--repository', at('shop.scm')], 2, /has no structure X/],
    [
      ['create', at('x'), '--xdl', xdl, '--repository', at('shop.scm'), '--structure', 'OTHER'],
      1,
      /the fields take 3 bytes, but the record \(fixed\) has 30/,
    ],
    [['info', at('nothing')], 3, /File not found/],
    [['info', at('nothing'), '--json'], 3, /^\{"error":\{"code":"ERR_FNF","errno":18,/],
    [['--version'], 0, /^$/m],
    [['-V'], 0, /^$/m],
  ];
  for (const [args, status, err] of cases) {
    const outcome = await isutl(args);
    t.equal(outcome.status, status, `${args[0]}: ${outcome.err}`);
    t.match(outcome.err, err);
  }
  t.equal((await isutl(['create', at('plant'), '--xdl', xdl])).status, 0);
  t.equal((await isutl(['create', at('plant'), '--xdl', xdl])).status, 1, 'nothing is overwritten');
  t.match(await isutl(['load', at('plant'), at('gone.txt'), '--format', 'fixed']), { status: 3 });
  t.match(await isutl(['unload', at('plant'), at('plant.ism'), '--format', 'fixed']), {
    status: 2,
    err: /is the record file itself/,
  });
  t.match(await isutl(['unload', at('plant'), '--format', 'csv']), {
    status: 2,
    err: /csv needs named fields and the file has none/,
  });
});

t.test(
  'the program ends with the status of its work',
  { skip: !import.meta.url.includes('/dist/') },
  async (t) => {
    const at = shop(t);
    const run = (args: readonly string[], input = '') =>
      spawnSync(process.execPath, ['dist/server/isutl.js', ...args], { input, encoding: 'utf8' });
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    t.equal(run(['-version']).stdout, `${version}\n`);
    t.equal(run(['create', at('plant'), '-xdl', at('plant.xdl')]).status, 0);
    const rows = `${RECORDS.slice(0, 3).join('\n')}\n`;
    t.equal(run(['load', at('plant'), '-', '--format', 'fixed'], rows).status, 0);
    t.equal(run(['load', at('plant'), '-', '--format', 'fixed'], rows).status, 1, 'they are there');
    t.match(run(['-v', at('plant')]).stdout, '3 records, 2 indexes, no problems');
    const missing = run(['info', at('nothing'), '-json']);
    t.equal(missing.status, 3);
    t.equal(JSON.parse(missing.stderr).error.code, 'ERR_FNF');
  },
);
