// Proves with somebody's own files that a select finds what SQLite finds:
//
//   node tools/compare-select.mjs DIR [--queries N] [--seed S] [--server]
//
// DIR holds NAME.xdl, NAME.txt and repository.scm as for compare-files.mjs. Each file is loaded by isutl and, as
// rows of the values it unloads, into SQLite; then both answer the same random questions: conditions over all
// fields, sums by group, orders with limits. Needs a build (dist/) and the program sqlite3. It prints a line a
// file and `N comparisons, M differences`, and exits with 1 when there were any. A question that differs is
// printed; record content is not, but for the values in the question.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { alpha, connect, date, decimal, defineFile, implied, open } from '../dist/client/index.js';
import { issueDevelopmentCertificate } from '../dist/server/certificate/issue-self-signed.js';

const program = (path) => fileURLToPath(new URL(`../dist/server/${path}`, import.meta.url));

function run(command, args, input) {
  const result = spawnSync(command, args, { input, encoding: 'utf8', maxBuffer: 2 ** 30 });
  if (result.error !== undefined) throw result.error;
  if (result.status === 0) return result.stdout;
  throw new Error(
    `${basename(command)} ${args.join(' ')} ended with ${result.status}: ${result.stderr}`,
  );
}
const isutl = (...args) => run(process.execPath, [program('isutl.js'), ...args]);

// ---- the command line

const args = process.argv.slice(2);
const numberOf = (name, otherwise) => {
  const at = args.indexOf(name);
  return at < 0 ? otherwise : Number(args[at + 1]);
};
const queries = numberOf('--queries', 300);
const seed = numberOf('--seed', Math.floor(Math.random() * 2 ** 31));
const [directory] = args;
if (directory === undefined || !existsSync(directory)) {
  console.error('usage: node tools/compare-select.mjs DIR [--queries N] [--seed S] [--server]');
  process.exit(2);
}

// ---- randomness that can be repeated (mulberry32)

let state = seed;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];

// ---- values in both languages

/** A column as SQLite keeps it: decimals as whole numbers of their last place, all else as text. */
const isNumeric = ({ type }) => type === 'decimal' || type === 'integer' || type === 'unsigned';
const scaled = (value, { precision = 0 }) => {
  const [whole, fraction = ''] = String(value).split('.');
  return BigInt(whole + fraction.padEnd(precision, '0').slice(0, precision)).toString();
};
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
const sqlValue = (field, value) =>
  isNumeric(field) ? scaled(value, field) : quoted(String(value));
const ourValue = (field, value) => (isNumeric(field) ? String(value) : quoted(String(value)));

/** A value of the field: mostly one that is there, now and then a neighbour. */
function someValue(field, rows) {
  const value = pick(rows)[field.name];
  if (isNumeric(field) && random() < 0.3) {
    const near = BigInt(scaled(value, field)) + BigInt(below(21) - 10);
    return unscaled(near, field.precision ?? 0);
  }
  if (field.type === 'alpha' && random() < 0.3) return String(value).slice(0, below(6));
  return value;
}
function unscaled(number, places) {
  const digits = (number < 0n ? -number : number).toString().padStart(places + 1, '0');
  const sign = number < 0n ? '-' : '';
  const point = digits.length - places;
  return places === 0 ? sign + digits : `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

// ---- questions in both languages: { ours, sql }

function condition(fields, rows) {
  const field = pick(fields);
  const { name } = field;
  const value = () => someValue(field, rows);
  const both = (build) => {
    const values = [value(), value(), value()];
    return {
      ours: build(...values.map((each) => ourValue(field, each))),
      sql: build(...values.map((each) => sqlValue(field, each))),
    };
  };
  const kind = random();
  if (kind < 0.5) {
    const operator = pick(['=', '<>', '<', '<=', '>', '>=']);
    return both((one) => `${name} ${operator} ${one}`);
  }
  if (kind < 0.62) return both((low, high) => `${name} between ${low} and ${high}`);
  if (kind < 0.74) return both((...some) => `${name} in (${some.join(', ')})`);
  if (field.type !== 'alpha') return both((one) => `not ${name} < ${one}`);
  return textCondition(name, String(value()));
}

function textCondition(name, text) {
  const part = text.slice(below(3), 3 + below(4)).replaceAll('\\', '');
  const kind = random();
  if (kind < 0.4) {
    const escaped = part.replaceAll('%', '\\%').replaceAll('_', '\\_');
    const pattern = pick([
      `%${escaped}%`,
      `${escaped}%`,
      `%${escaped}`,
      `_${escaped}%`,
      '%',
      '_%_',
    ]);
    // Blanks at the end of a value are not part of it, in either.
    const trimmed = pattern.trimEnd();
    return {
      ours: `${name} like ${quoted(trimmed)}`,
      sql: `${name} like ${quoted(trimmed)} escape '\\'`,
    };
  }
  if (part.trim() === '') return { ours: `${name} is blank`, sql: `${name} = ''` };
  if (kind < 0.6)
    return {
      ours: `${name} contains ${quoted(part.trim())}`,
      sql: `instr(${name}, ${quoted(part.trim())}) > 0`,
    };
  if (kind < 0.8) {
    const start = part.trimEnd();
    return {
      ours: `${name} starts ${quoted(start)}`,
      sql: `substr(${name}, 1, ${start.length}) = ${quoted(start)}`,
    };
  }
  const plain = part.trim();
  return {
    ours: `nocase(${name}) = ${quoted(plain)}`,
    sql: `lower(${name}) = lower(${quoted(plain)})`,
  };
}

function tree(fields, rows, depth) {
  if (depth === 0 || random() < 0.35) return condition(fields, rows);
  if (random() < 0.2) {
    const { ours, sql } = tree(fields, rows, depth - 1);
    return { ours: `not (${ours})`, sql: `not (${sql})` };
  }
  const word = pick(['and', 'or']);
  const terms = Array.from({ length: 2 + below(2) }, () => tree(fields, rows, depth - 1));
  const join_ = (face) => terms.map((term) => `(${term[face]})`).join(` ${word} `);
  return { ours: join_('ours'), sql: join_('sql') };
}

// ---- one file

const counts = { comparisons: 0, differences: 0 };
const work = mkdtempSync(join(tmpdir(), 'rsynd-select-'));
const undo = [() => rmSync(work, { recursive: true, force: true })];

/** SQLite's answers, one line a statement. */
function askSqlite(table, fields, rows, statements) {
  const columns = fields.map((field) => `${field.name} ${isNumeric(field) ? 'integer' : 'text'}`);
  const inserts = rows.map(
    (row, number) =>
      `insert into ${table} values (${number}, ${fields.map((field) => sqlValue(field, row[field.name])).join(', ')});`,
  );
  const script = [
    'pragma case_sensitive_like = on;',
    `create table ${table} (row_number integer, ${columns.join(', ')});`,
    'begin;',
    ...inserts,
    'commit;',
    ...statements.map((sql) => `${sql};\nselect '--';`),
  ].join('\n');
  const answers = [[]];
  for (const line of run('sqlite3', ['-bail', ':memory:'], script).split('\n')) {
    if (line === '--') answers.push([]);
    else answers.at(-1).push(line);
  }
  return answers.slice(0, statements.length).map((lines) => lines.join('\n'));
}

async function compareFile(name, openFile) {
  const file = join(work, `${name}.ism`);
  isutl(
    'create',
    file,
    '--xdl',
    join(directory, `${name}.xdl`),
    '--repository',
    join(directory, 'repository.scm'),
    '--structure',
    name.toUpperCase(),
  );
  isutl('load', file, join(directory, `${name}.txt`), '--format', 'fixed');
  const { fields: all } = JSON.parse(isutl('--json', 'info', file));
  const rows = isutl('unload', file, '--format', 'jsonl')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const fields = all.filter(
    ({ dimension, overlay }) => dimension === undefined && overlay !== true,
  );
  const numberOfRow = new Map(rows.map((row, number) => [JSON.stringify(row), number]));
  if (numberOfRow.size !== rows.length) throw new Error(`${name}: rows are not distinct`);
  const channel = await openFile(name, { definition: definitionOf(all) });
  const asked = questions(fields, rows);
  const expected = askSqlite(
    name,
    fields,
    rows,
    asked.map(({ sql }) => sql.replace('TABLE', name)),
  );
  const before = counts.differences;
  for (const [index, { ask, text }] of asked.entries()) {
    const found = await ask(channel, numberOfRow).catch(
      (error) => `${error.code}: ${error.message}`,
    );
    counts.comparisons++;
    if (found === expected[index]) continue;
    counts.differences++;
    if (counts.differences < 10)
      console.log(
        `DIFFERS ${name}: ${text}\n  ours   ${found.slice(0, 200)}\n  sqlite ${expected[index].slice(0, 200)}`,
      );
  }
  await channel.close();
  const differences = counts.differences - before;
  console.log(
    `${name.padEnd(12)} ${rows.length} records, ${asked.length} questions, ${differences} differences`,
  );
}

function questions(fields, rows) {
  const asked = [];
  for (let n = 0; n < queries; n++) {
    const { ours, sql } = tree(fields, rows, 3);
    const kind = n % 4;
    if (kind === 3) asked.push(grouped(fields, ours, sql));
    else if (kind === 2) asked.push(ordered(fields, ours, sql));
    else asked.push(plain(ours, sql));
  }
  return asked;
}

/** Rows of our answer by their numbers in the unload; a row that is none of them says so. */
const numbersOf = (found, numberOfRow) =>
  found.map((row) => numberOfRow.get(JSON.stringify(row)) ?? 'unknown row');

const plain = (ours, sql) => ({
  text: ours,
  sql: `select row_number from TABLE where ${sql} order by row_number`,
  ask: async (channel, numberOfRow) =>
    numbersOf(await channel.select(ours).toArray(), numberOfRow)
      .sort((a, b) => a - b)
      .join('\n'),
});

/** Ordered by one field and then by all others, so that there is but one right order. */
function ordered(fields, ours, sql) {
  const first = pick(fields);
  const rest = fields.filter((field) => field !== first);
  const descending = random() < 0.5;
  const limit = 1 + below(40);
  const names = [`${descending ? '-' : ''}${first.name}`, ...rest.map(({ name }) => name)];
  const terms = [`${first.name}${descending ? ' desc' : ''}`, ...rest.map(({ name }) => name)];
  return {
    text: `${ours} order by ${names[0]} … limit ${limit}`,
    sql: `select row_number from TABLE where ${sql} order by ${terms.join(', ')} limit ${limit}`,
    ask: async (channel, numberOfRow) =>
      numbersOf(
        await channel
          .select(ours)
          .orderBy(...names)
          .limit(limit)
          .toArray(),
        numberOfRow,
      ).join('\n'),
  };
}

function grouped(fields, ours, sql) {
  const by = pick(fields);
  const of = pick(fields.filter(isNumeric));
  return {
    text: `${ours} group by ${by.name}: count, sum, min, max of ${of.name}`,
    sql: `select ${by.name}, count(*), sum(${of.name}), min(${of.name}), max(${of.name}) from TABLE where ${sql} group by ${by.name} order by ${by.name}`,
    ask: async (channel) => {
      const groups = await channel
        .select(ours)
        .groupBy([by.name], {
          n: ['count'],
          total: ['sum', of.name],
          least: ['min', of.name],
          most: ['max', of.name],
        })
        .toArray();
      return groups
        .map((group) =>
          [
            isNumeric(by) ? scaled(group[by.name], by) : group[by.name],
            group.n,
            ...[group.total, group.least, group.most].map((value) => scaled(value, of)),
          ].join('|'),
        )
        .join('\n');
    },
  };
}

// ---- all files

async function startServer() {
  const issued = await issueDevelopmentCertificate({ hosts: ['localhost'], keyBits: 2048 });
  const bundle = join(work, 'rsynd.pem');
  const ca = join(work, 'ca.pem');
  writeFileSync(bundle, issued.serverPem, { mode: 0o600 });
  writeFileSync(ca, issued.caPem);
  const options = [
    '-p',
    '0',
    '-d',
    work,
    '-n',
    '-u',
    'compare',
    '-encrypt',
    `-cert=${bundle}`,
    '--log-level',
    'error',
  ];
  const daemon = spawn(process.execPath, [program('main.js'), ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  undo.unshift(() => daemon.kill());
  const [line] = await once(createInterface(daemon.stdout), 'line');
  const connection = await connect(`rsynds://localhost:${/port=(\d+)/.exec(line)[1]}`, {
    tls: { ca },
  });
  undo.unshift(() => connection.close());
  return connection;
}

/** What the file says of its fields, as a program would write it down. */
function definitionOf(fields) {
  const builders = {
    alpha: ({ length }) => alpha(length),
    decimal: ({ length, precision = 0 }) =>
      precision === 0 ? decimal(length) : implied(length, precision),
    date: ({ format }) => date(format),
  };
  const named = fields.map((field) => [field.name, builders[field.type](field)]);
  return defineFile({
    fields: Object.fromEntries(named),
    keys: { first: { parts: [fields[0].name] } },
  });
}

try {
  console.log(`seed ${seed}`);
  const connection = args.includes('--server') ? await startServer() : undefined;
  const names = readdirSync(directory)
    .filter(
      (name) => name.endsWith('.xdl') && existsSync(join(directory, name.replace(/xdl$/, 'txt'))),
    )
    .map((name) => name.slice(0, -4))
    .filter((name) =>
      new RegExp(`structure ${name}\\b`, 'i').test(
        readFileSync(join(directory, 'repository.scm'), 'latin1'),
      ),
    );
  for (const name of names) {
    const path = join(work, `${name}.ism`);
    await compareFile(name, (_, options) =>
      connection === undefined ? open(path, options) : connection.open(name, options),
    );
  }
  console.log(`${counts.comparisons} comparisons, ${counts.differences} differences`);
  process.exitCode = counts.differences === 0 ? 0 : 1;
} finally {
  for (const step of undo) await step();
}
