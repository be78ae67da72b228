// Proves with somebody's own files that nothing is lost, changed or out of order:
//
//   node tools/compare-files.mjs DIR [--server]
//
// DIR holds definitions NAME.xdl with their records as text, NAME.txt, one line a record, and perhaps a
// repository.scm whose structure NAME gives the fields. Each file is made and loaded by isutl in a
// directory of its own, read through the SDK, and compared with what other programs (sort, awk) make of the
// text. With --server the reads go to an encrypted daemon, files flagged network_encrypt; else they are
// local. Needs a build (dist/), GNU sort and awk.
//
// It prints a line for each comparison with how much was compared, at last `N comparisons, M differences`,
// and exits with 0 when there were none, 1 when there were, 2 for bad usage. Record content is never
// printed, only line numbers. What a definition means is read here once more, in few words and apart from the
// product, so that both would have to be wrong in the same way. XDL keywords must be written in full, and
// keys be of text or digits, because others do not stand in lines.
//
// Longer than files of this house are: it is read from top to bottom by who wants to know what was proved,
// and shares nothing with the product that it judges.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import {
  alpha,
  connect,
  date,
  decimal,
  defineFile,
  implied,
  isRsyndError,
  open,
} from '../dist/client/index.js';
import { issueDevelopmentCertificate } from '../dist/server/certificate/issue-self-signed.js';

const READS_IN_FLIGHT = 64;
const GROUPS_MAX = 60;
const PREFIXES_PER_LENGTH = 20;
const WALK_RUNS = 80;
const WALK_RUN_MAX = 40;
const PROGRAM_TIMEOUT_MS = 120_000;
/** Between the columns handed to sort; must not be in the text. */
const SEPARATOR = '\x01';
const C_LOCALE = { ...process.env, LC_ALL: 'C' };

const program = (path) => fileURLToPath(new URL(`../dist/server/${path}`, import.meta.url));
const count = (number, unit) => `${number.toLocaleString('en')} ${unit}`;

// ---- comparing and saying so

const counts = { comparisons: 0, differences: 0 };

/** `work` answers { actual, expected, unit, where? }: lists that must be the same, element by element. */
async function compare(file, what, work) {
  counts.comparisons++;
  const outcome = await Promise.resolve().then(work).then(firstDifference, failure);
  if (outcome.isDifferent) counts.differences++;
  const verdict = outcome.isDifferent ? 'DIFFERS' : 'same';
  console.log(`${verdict.padEnd(8)}${file.padEnd(16)}${what}: ${outcome.text}`);
}

function firstDifference({ actual, expected, unit, where = () => '' }) {
  const length = Math.max(actual.length, expected.length);
  const compared = count(expected.length, unit);
  for (let index = 0; index < length; index++) {
    if (isDeepStrictEqual(actual[index], expected[index])) continue;
    const sizes = actual.length === expected.length ? '' : `, ${count(actual.length, 'came')}`;
    return { isDifferent: true, text: `${compared}${sizes}; the first at ${index}${where(index)}` };
  }
  return { isDifferent: false, text: compared };
}

const failure = (error) => ({
  isDifferent: true,
  text: isRsyndError(error) ? `${error.code} ${error.message}` : String(error?.stack ?? error),
});

/** Work that other comparisons stand on: undefined and counted as a difference when it cannot be done. */
async function attempt(file, what, work) {
  try {
    return await work();
  } catch (error) {
    await compare(file, what, () => Promise.reject(error));
    return undefined;
  }
}

// ---- other programs

function run(command, args, { input, env = C_LOCALE } = {}) {
  const options = { input, env, encoding: 'latin1', maxBuffer: 2 ** 31 - 1 };
  const result = spawnSync(command, args, { ...options, timeout: PROGRAM_TIMEOUT_MS });
  if (result.error !== undefined) throw result.error;
  return result;
}

function runOrThrow(command, args, options) {
  const { status, stdout, stderr } = run(command, args, options);
  if (status === 0) return stdout;
  throw new Error(`${basename(command)} ${args.join(' ')} ended with ${status}: ${stderr}`);
}

/** isutl's answer to a command. */
const isutl = (...args) =>
  JSON.parse(runOrThrow(process.execPath, [program('isutl.js'), '--json', ...args]));

/** Lines of latin1 text as one Buffer. */
const toText = (lines) => Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
const toLines = (text) => text.split('\n').slice(0, -1);

// ---- definitions, read apart from the product

/** Record size and keys of an XDL text; START of segments from 1 as it is written. */
function readXdl(path) {
  const words = readFileSync(path, 'latin1')
    .split('\n')
    .map((line) => line.replace(/"([^"]*)"|!.*/g, '$1').trim())
    .filter((line) => line !== '')
    .map((line) => line.split(/\s+/));
  const sections = [];
  for (const [keyword, value = ''] of words) {
    if (/^(FILE|RECORD|KEY)$/i.test(keyword)) sections.push({ SECTION: keyword.toUpperCase() });
    else sections.at(-1)[keyword.toUpperCase()] = value.toLowerCase();
  }
  const { SIZE, FORMAT } = sections.find(({ SECTION }) => SECTION === 'RECORD');
  if (FORMAT !== 'fixed') throw new Error(`${path}: records must be fixed, not ${FORMAT}`);
  const keys = sections.filter(({ SECTION }) => SECTION === 'KEY').map(keyOfSection);
  return { size: Number(SIZE), keys };
}

function keyOfSection(section, number) {
  if (section.NULL !== undefined) throw new Error(`key ${number} has a null key: not compared`);
  const [lengths, types, orders] = [section.LENGTH, section.TYPE, section.ORDER].map((list) =>
    (list ?? '').split(':'),
  );
  const segments = section.START.split(':').map((start, index) => ({
    start: Number(start),
    length: Number(lengths[index]),
    type: types[index] || types[0] || 'alpha',
    order: orders[index] || orders[0] || 'ascending',
  }));
  const dups = section.DUPLICATES === 'yes' ? section.DUPLICATE_ORDER : 'none';
  // What it is when nobody said so is the product's choice, and not known better here.
  if (dups === undefined) throw new Error(`key ${number} does not state its DUPLICATE_ORDER`);
  return { number, segments, dups, modifiable: section.MODIFIABLE === 'yes' };
}

/**
 * Fields of a structure: name, type, size, precision. None when there is no such structure; undefined when
 * this program cannot read it.
 */
function readStructure(path, structure) {
  const templates = new Map();
  const fields = [];
  let current = '';
  for (const text of readFileSync(path, 'latin1').split(/\n(?=[A-Za-z])/)) {
    const words = text
      .replace(/"[^"]*"/g, ' ')
      .trim()
      .split(/\s+/);
    const [statement, name] = [words[0].toUpperCase(), words[1]];
    if (statement === 'TEMPLATE') templates.set(name, attributesOf(words.slice(2)));
    if (statement === 'STRUCTURE') current = name.toUpperCase();
    if (current !== structure) continue;
    if (/^(GROUP|ENDGROUP)$/.test(statement)) return undefined;
    if (statement !== 'FIELD') continue;
    const own = attributesOf(words.slice(2));
    fields.push({ name, ...templates.get(own.template), ...own });
  }
  return fields.every(isReadable) ? fields : undefined;
}

const isReadable = ({ type, stored, size, isPlain }) =>
  isPlain && size > 0 && (/^(ALPHA|DECIMAL)$/.test(type) || stored === 'YYYYMMDD');

function attributesOf(words) {
  const after = (word) => words[words.findIndex((each) => each.toUpperCase() === word) + 1];
  const has = (word) => words.some((each) => each.toUpperCase() === word);
  return {
    ...(has('TYPE') && { type: after('TYPE').toUpperCase() }),
    ...(has('SIZE') && { size: Number(after('SIZE')) }),
    ...(has('PRECISION') && { precision: Number(after('PRECISION')) }),
    ...(has('STORED') && { stored: after('STORED').toUpperCase() }),
    ...(has('TEMPLATE') && { template: after('TEMPLATE') }),
    isPlain: !['DIMENSION', 'OVERLAY', 'PARENT', 'COERCED'].some(has),
  };
}

// ---- what the text says

/** A file of DIR: definition, and its lines padded to the record's length. */
function readInput(directory, name, work) {
  const xdl = join(directory, `${name}.xdl`);
  const text = join(directory, `${name}.txt`);
  const definition = readXdl(xdl);
  const lines = toLines(readFileSync(text, 'latin1').replace(/([^\n])$/, '$1\n'));
  const padded = lines.map((line) => line.replace(/\r$/, '').padEnd(definition.size));
  const paddedPath = join(work, `${name}.padded`);
  writeFileSync(paddedPath, toText(padded));
  const scm = join(directory, 'repository.scm');
  const fields = existsSync(scm) ? readStructure(scm, name.toUpperCase()) : [];
  const schema =
    fields?.length === 0 ? [] : ['--repository', scm, '--structure', name.toUpperCase()];
  const path = join(work, `${name}.ism`);
  return { name, xdl, schema, text, path, paddedPath, lines: padded, ...definition, fields };
}

const columns = (line, { start, length }) => line.slice(start - 1, start - 1 + length);
const keyValue = (line, key) => key.segments.map((segment) => columns(line, segment)).join('');

/** The same text for keys that are duplicates of each other: case and ways to write a number apart. */
const identity = (line, key) => key.segments.map((segment) => identityOf(line, segment)).join('\n');

function identityOf(line, segment) {
  const text = columns(line, segment);
  if (segment.type === 'decimal') return zoned(text);
  return segment.type === 'nocase' ? text.toUpperCase() : text;
}

const isTextUpwards = ({ type, order }) => type === 'alpha' && order === 'ascending';

/** Indexes of the lines in the order of a key, as GNU sort has it. */
function orderOf({ lines }, { segments, dups }) {
  if (lines.some((line) => line.includes(SEPARATOR))) throw new Error('the text holds byte 1');
  const extra = [];
  const keys = segments.map((segment) => {
    const { type, order, start, length } = segment;
    const letters = `${{ decimal: 'n', nocase: 'f', alpha: '' }[type]}${order === 'descending' ? 'r' : ''}`;
    if (!/^(alpha|nocase|decimal)$/.test(type)) throw new Error(`${type} keys are not compared`);
    const isColumns =
      type !== 'decimal' || lines.every((line) => /^ *\d*$/.test(columns(line, segment)));
    if (isColumns) return `-k1.${start},1.${start + length - 1}${letters}`;
    const column = 2 + extra.push(segment);
    return `-k${column},${column}${letters}`;
  });
  const rows = lines.map((line, index) =>
    [line, index, ...extra.map((segment) => zoned(columns(line, segment)))].join(SEPARATOR),
  );
  // A stable sort keeps duplicates as they came: the last one first is FIFO of the text turned round.
  if (dups === 'lifo') rows.reverse();
  const sorted = runOrThrow('sort', ['-s', `-t${SEPARATOR}`, ...keys], { input: toText(rows) });
  return toLines(sorted).map((row) => Number(row.split(SEPARATOR)[1]));
}

/** Zoned digits as a whole number in text: a last digit of 'p' to 'y' is that of a negative one. */
function zoned(bytes) {
  const last = bytes.charCodeAt(bytes.length - 1);
  const isNegative = last >= 0x70 && last <= 0x79;
  const digits = isNegative ? bytes.slice(0, -1) + String.fromCharCode(last - 0x40) : bytes;
  if (!/^[ \d]*$/.test(digits)) throw new Error('a decimal column holds no number');
  return String(BigInt(digits.replaceAll(' ', '0')) * (isNegative ? -1n : 1n));
}

/** The record as the SDK should give it, by its fields. */
function typedRecord(line, fields) {
  let start = 0;
  return Object.fromEntries(
    fields.map((field) => {
      start += field.size;
      return [field.name, typedValue(line.slice(start - field.size, start), field)];
    }),
  );
}

function typedValue(bytes, { type, size, precision = 0 }) {
  if (type === 'ALPHA') return bytes.replace(/ +$/, '');
  if (type === 'DATE') return /[1-9]/.test(bytes) ? bytes : '';
  const whole = zoned(bytes);
  if (precision > 0) return withPoint(whole, precision);
  return size > 15 ? whole : Number(whole);
}

function withPoint(whole, precision) {
  const digits = whole.replace('-', '').padStart(precision + 1, '0');
  return `${whole.startsWith('-') ? '-' : ''}${digits.slice(0, -precision)}.${digits.slice(-precision)}`;
}

// ---- comparisons of every file

async function makeFile(input) {
  const { name, path, xdl, schema, text, size, keys, fields = [], lines } = input;
  isutl('create', path, '--xdl', xdl, ...schema);
  const info = isutl('info', path);
  await compare(name, 'record and keys as the XDL says', () => ({
    actual: [info.record.size, ...info.keys.map(comparableKey)],
    expected: [size, ...keys.map(({ number, ...key }) => key)],
    unit: 'parts',
  }));
  const load = isutl('load', path, text, '--format', 'fixed');
  await compare(name, 'load', () => ({
    actual: [load.read, load.stored, load.bad, isutl('info', path).records],
    expected: [lines.length, lines.length, 0, lines.length],
    unit: 'counts',
  }));
  if (fields.length === 0) {
    const why = schema.length > 0 ? 'groups, arrays or types this program does not read' : 'none';
    console.log(`${'-'.padEnd(8)}${name.padEnd(16)}fields not compared: ${why}`);
    return;
  }
  await compare(name, 'fields as the repository says', () => ({
    actual: info.fields.map((field) => [field.name, field.length, field.precision ?? 0]),
    expected: fields.map((field) => [field.name, field.size, field.precision ?? 0]),
    unit: 'fields',
  }));
  await compare(name, 'totals of the load', () => totalsOf(load.totals, input));
}

const comparableKey = ({ segments, dups, modifiable }) => ({
  segments: segments.map(({ offset, length, type, order }) => ({
    start: offset + 1,
    length,
    type,
    order,
  })),
  dups,
  modifiable,
});

function totalsOf(totals, { lines, fields }) {
  let end = 0;
  const expected = fields.flatMap(({ name, type, size, precision = 0 }) => {
    end += size;
    if (type !== 'DECIMAL') return [];
    const [from, to] = [end - size, end];
    const sum = lines.reduce((total, line) => total + BigInt(zoned(line.slice(from, to))), 0n);
    return [[name, precision > 0 ? withPoint(String(sum), precision) : String(sum)]];
  });
  const actual = totals.map(({ field, total }) => [field, total]);
  return { actual, expected, unit: 'totals' };
}

/** Unloads and compares byte for byte, both sides through the same sort. */
async function compareUnload({ name, path, paddedPath, lines }, work) {
  const unloaded = join(work, `${name}.unloaded`);
  isutl('unload', path, unloaded, '--format', 'fixed');
  await compare(name, 'unloaded and sorted, bytes', () => {
    const [actual, expected] = [unloaded, paddedPath].map((file) =>
      Buffer.from(runOrThrow('sort', [file]), 'latin1'),
    );
    const isSame = actual.equals(expected);
    const unit = `records, ${count(expected.length, 'bytes')}`;
    return { actual: isSame ? lines : toLines(actual.toString('latin1')), expected: lines, unit };
  });
}

/** All records by a key, from one end to the other; many reads on the way at a time. */
async function readAll(channel, key, direction) {
  const records = [];
  try {
    records.push(
      await channel.read(direction === 'forward' ? { first: true } : { last: true }, { key }),
    );
  } catch (error) {
    if (isRsyndError(error) && error.code === 'ERR_EOF') return records;
    throw error;
  }
  for (;;) {
    const reads = Array.from({ length: READS_IN_FLIGHT }, () => channel.reads({ direction }));
    const batch = await Promise.all(reads);
    const end = batch.indexOf(undefined);
    records.push(...(end < 0 ? batch : batch.slice(0, end)));
    if (end >= 0) return records;
  }
}

const latin1 = (records) => records.map((record) => record?.toString('latin1'));

async function compareOrders({ name, lines, keys }, channel, orders) {
  for (const key of keys) {
    for (const direction of ['forward', 'reverse']) {
      const { number, dups } = key;
      await compare(name, `order by key ${number} (dups ${dups}), ${direction}`, async () => {
        const order = direction === 'forward' ? orders[number] : orders[number].toReversed();
        const actual = latin1(await readAll(channel, number, direction));
        const expected = order.map((index) => lines[index]);
        return { actual, expected, unit: 'records', where: (at) => `, line ${order[at] + 1}` };
      });
    }
  }
}

async function compareTyped({ name, lines, keys, fields = [] }, openFile, orders) {
  if (fields.length === 0) return;
  const definition = defineFile({
    fields: Object.fromEntries(fields.map((field) => [field.name, builderOf(field)])),
    keys: { primary: { parts: [fields[0].name] } },
  });
  const channel = await openFile(name, { definition });
  const expected = orders[0].map((index) => typedRecord(lines[index], fields));
  await compare(name, `typed, ${fields.length} fields a record`, async () => {
    const actual = [];
    for await (const record of channel) actual.push(record);
    return { actual, expected, unit: 'records' };
  });
  await compareTypedKeys({ name, lines, keys, fields }, channel, expected);
  await channel.close();
}

/** Some records by the value of their first field, where that is the primary key. */
async function compareTypedKeys({ name, keys, fields }, channel, records) {
  const [{ segments, dups }] = keys;
  const isFirstField = segments.length === 1 && segments[0].start === 1;
  if (!isFirstField || segments[0].length !== fields[0].size || records.length === 0) return;
  const field = fields[0].name;
  const wanted = [0, records.length >> 2, records.length >> 1, records.length - 1];
  await compare(name, `typed, by key 0 (dups ${dups}) as ${field}`, async () => {
    const values = wanted.map((index) => records[index][field]);
    const actual = [];
    for (const value of values) actual.push(await channel.read(value));
    const expected = values.map((value) => records.find((record) => record[field] === value));
    return { actual, expected, unit: 'reads' };
  });
}

function builderOf({ type, size, precision = 0, stored }) {
  if (type === 'DATE') return date(stored);
  if (type === 'ALPHA') return alpha(size);
  return precision > 0 ? implied(size, precision) : decimal(size);
}

async function compareFacts({ name, lines, keys, size }, channel, isServer) {
  await compare(name, 'NUMRECS NUMKEYS SIZE NETCRYPT SLE, SLC there', async () => ({
    actual: [
      ...(await Promise.all(
        ['NUMRECS', 'NUMKEYS', 'SIZE', 'NETCRYPT'].map((request) => channel.isinfo(request)),
      )),
      await channel.getfa('SLE'),
      (await channel.getfa('SLC')).includes('Enc='),
    ],
    expected: [lines.length, keys.length, size, isServer ? 1 : 0, isServer ? 1 : 0, isServer],
    unit: 'facts',
  }));
}

// ---- comparisons of the largest file

/** One read: the record as text, or the code of its error. */
const answer = (promise) =>
  promise.then(
    (record) => record?.toString('latin1'),
    (error) => (isRsyndError(error) ? error.code : Promise.reject(error)),
  );

async function compareLargest(input, channel, orders) {
  for (const key of input.keys) {
    const sequence = orders[key.number].map((index) => input.lines[index]);
    if (isTextUpwards(key.segments[0])) {
      await comparePartial(input.name, channel, key, sequence);
    }
    await compareWhole(input.name, channel, key, sequence);
    await compareWalk(input.name, channel, key, sequence);
    if (key.dups !== 'none') await compareDuplicates(input, channel, key);
  }
}

/** Leading parts of a key, some that are there and some that are not: where geq and gen go, and what follows. */
async function comparePartial(name, channel, key, sequence) {
  const values = sequence.map((line) => keyValue(line, key));
  const parts = leadingParts(values, key.segments[0].length);
  await compare(name, `key ${key.number} by leading part, geq and gen, two records`, async () => {
    const [actual, expected] = [[], []];
    for (const part of parts) {
      const at = values.findIndex((value) => value >= part);
      for (const match of ['geq', 'gen']) {
        actual.push(await answer(channel.read(part, { key: key.number, match })));
        actual.push(await answer(channel.reads()));
        expected.push(at < 0 ? 'ERR_EOF' : sequence[at], at < 0 ? undefined : sequence[at + 1]);
      }
    }
    return { actual, expected, unit: 'reads' };
  });
  await compare(name, `key ${key.number} by leading part, all that begin with it`, async () => {
    const present = parts.filter((part) => values.some((value) => value.startsWith(part)));
    const actual = [];
    for (const part of present) {
      const belongs = (record) => keyValue(record, key).startsWith(part);
      actual.push(await readGroup(channel, key, part, belongs));
    }
    const expected = present.map((part) =>
      sequence.filter((_, index) => values[index].startsWith(part)),
    );
    return { actual, expected, unit: `groups, ${count(expected.flat().length, 'records')}` };
  });
}

/** Some leading parts of each length, and for each one that is just behind it and likely absent. */
function leadingParts(values, length) {
  const parts = new Set(['\xff']);
  for (let bytes = 1; bytes < length; bytes++) {
    const distinct = [...new Set(values.map((value) => value.slice(0, bytes)))];
    for (const part of evenly(distinct, PREFIXES_PER_LENGTH)) {
      parts.add(part).add(`${part.slice(0, -1)}~`);
    }
  }
  return [...parts];
}

function groupBy(list, nameOf) {
  const groups = new Map();
  for (const each of list) {
    const group = groups.get(nameOf(each));
    if (group === undefined) groups.set(nameOf(each), [each]);
    else group.push(each);
  }
  return groups;
}

/** At most `max` of a list, from all over it. */
function evenly(list, max) {
  const step = Math.max(1, Math.ceil(list.length / max));
  return list.filter((_, index) => index % step === 0);
}

/** The record by a whole or leading key value, and those that follow as long as they belong to it. */
async function readGroup(channel, key, part, belongs) {
  const records = [];
  let record = await answer(channel.read(part, { key: key.number, match: 'gen' }));
  while (record !== undefined && belongs(record)) {
    records.push(record);
    record = await answer(channel.reads());
  }
  return records;
}

/** Whole values: eq goes to the first that has it, gtr behind the last; or says that there is none. */
async function compareWhole(name, channel, key, sequence) {
  const { number, segments } = key;
  const values = sequence.map((line) => keyValue(line, key));
  const groups = groupBy([...sequence.keys()], (at) => identity(sequence[at], key));
  const places = evenly([...groups.values()], GROUPS_MAX).map((group) => [group[0], group.at(-1)]);
  await compare(name, `key ${number} by whole value, eq and gtr`, async () => {
    const [actual, expected] = [[], []];
    const add = async (value, found, behind) => {
      actual.push(await answer(channel.read(value, { key: number })));
      actual.push(await answer(channel.read(value, { key: number, match: 'gtr' })));
      expected.push(found ?? 'ERR_RNF', behind ?? 'ERR_EOF');
    };
    for (const [from, to] of places) await add(values[from], sequence[from], sequence[to + 1]);
    // What is not there is easily placed only among text that goes upwards.
    const absent = segments.every(isTextUpwards) ? places.map(([from]) => values[from]) : [];
    for (const value of absent.map((each) => `${each.slice(0, -1)}~`)) {
      await add(value, undefined, sequence[values.findIndex((each) => each > value)]);
    }
    return { actual, expected, unit: 'reads' };
  });
}

/** Back and forth from the middle, runs of fixed but irregular length, over the ends and back too. */
async function compareWalk(name, channel, key, sequence) {
  await compare(name, `key ${key.number} back and forth with ${WALK_RUNS} turns`, async () => {
    const [actual, expected] = [[], []];
    let at = sequence.length >> 1;
    // The first of its duplicates is where a read by value goes.
    const wanted = identity(sequence[at], key);
    at = sequence.findIndex((line) => identity(line, key) === wanted);
    await channel.find(keyValue(sequence[at], key), { key: key.number });
    actual.push(await answer(channel.reads({ direction: 'reverse' })));
    expected.push(sequence[at]);
    for (let turn = 0; turn < WALK_RUNS; turn++) {
      if (turn === WALK_RUNS / 2) {
        await channel.read({ last: true }, { key: key.number });
        at = sequence.length - 1;
      }
      const step = turn % 2 === 0 ? 1 : -1;
      const length = 1 + ((turn * 7919) % WALK_RUN_MAX);
      for (let index = 0; index < length; index++) {
        actual.push(await answer(channel.reads({ direction: step > 0 ? 'forward' : 'reverse' })));
        at = Math.min(sequence.length, Math.max(-1, at + step));
        expected.push(sequence[at]);
      }
    }
    return { actual, expected, unit: 'reads' };
  });
}

/** For the values that occur most: all their records in order, against the lines awk finds. */
async function compareDuplicates({ name, lines, paddedPath }, channel, key) {
  const groups = groupBy(lines, (line) => identity(line, key));
  const most = [...groups.values()].sort((a, b) => b.length - a.length).slice(0, GROUPS_MAX);
  await compare(name, `key ${key.number} duplicates in ${key.dups} order, with awk`, async () => {
    const [actual, expected] = [[], []];
    for (const [line] of most) {
      const belongs = (record) => identity(record, key) === identity(line, key);
      actual.push(await readGroup(channel, key, keyValue(line, key), belongs));
      const found = linesByAwk(paddedPath, key, line);
      expected.push(key.dups === 'lifo' ? found.reverse() : found);
    }
    return { actual, expected, unit: `values, ${count(expected.flat().length, 'records')}` };
  });
}

/** Lines whose key is that of `line`. Blanks in numbers are zeros. */
function linesByAwk(path, { segments }, line) {
  const zeros = 'function zeros(text) { gsub(/ /, "0", text); return text "" }';
  const same = segments.map(({ start, length, type }) => {
    const form = { alpha: '', nocase: 'toupper', decimal: 'zeros' }[type];
    const [mine, theirs] = ['$0', 'ENVIRON["LINE"]'].map(
      (text) => `${form}(substr(${text}, ${start}, ${length}))`,
    );
    return `${mine} "" == ${theirs} ""`;
  });
  const env = { ...C_LOCALE, LINE: line };
  const found = runOrThrow('awk', [`${zeros} ${same.join(' && ')}`, path], { env });
  return toLines(found);
}

// ---- where files are read

/** Files of a directory, opened by path. */
const localFiles = (work) => ({
  open: (name, options) => open(join(work, `${name}.ism`), options),
  close: async () => {},
});

/** The same files through a daemon of their own, over TLS from this process to that one. */
async function startServer(work) {
  const { caPem, serverPem } = await issueDevelopmentCertificate({
    hosts: ['localhost', '127.0.0.1'],
  });
  const bundle = join(work, 'rsynd.pem');
  writeFileSync(bundle, serverPem, { mode: 0o600 });
  const args = [
    '-encrypt',
    '-scl=3',
    `-cert=${bundle}`,
    '-n',
    '-u',
    'compare',
    '-p',
    '0',
    '-d',
    work,
  ];
  const log = ['--log-file', join(work, 'rsynd.log')];
  const daemon = spawn(process.execPath, [program('main.js'), ...args, ...log], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.once('exit', () => daemon.kill('SIGKILL'));
  const line = await Promise.race([
    once(createInterface(daemon.stdout), 'line', { signal: AbortSignal.timeout(15_000) }),
    once(daemon, 'exit').then(() => Promise.reject(new Error('the daemon did not start'))),
  ]);
  console.log(String(line));
  const port = /port=(\d+)/.exec(String(line))?.[1];
  const connection = await connect(`rsynds://localhost:${port}`, { scl: 3, tls: { ca: caPem } });
  return {
    open: (name, options) => connection.open(name, options),
    close: async () => {
      await connection.close();
      const exited = once(daemon, 'exit');
      daemon.kill('SIGTERM');
      await compare('rsynd', 'exit status after SIGTERM', async () => ({
        actual: [(await exited)[0]],
        expected: [0],
        unit: 'status',
      }));
    },
  };
}

async function compareFile(input, files, { isServer, isLargest }) {
  const orders = input.keys.map((key) => orderOf(input, key));
  const channel = await files.open(input.name);
  await compareFacts(input, channel, isServer);
  await compareOrders(input, channel, orders);
  await compareTyped(input, files.open, orders);
  if (isLargest) await compareLargest(input, channel, orders);
  await channel.close();
}

/** Makes and unloads the file of a definition; answers what was read of it. */
async function prepare(directory, name, isServer, work) {
  const input = readInput(directory, name, work);
  await makeFile(input);
  await compareUnload(input, work);
  if (isServer) isutl('-p', '-qfile=network_encrypt', input.path);
  return input;
}

async function compareDirectory(directory, isServer, work) {
  const names = readdirSync(directory)
    .filter((file) => file.endsWith('.xdl') && existsSync(join(directory, textName(file))))
    .map((file) => basename(file, '.xdl'));
  if (names.length === 0) throw new Error(`${directory} holds no NAME.xdl with its NAME.txt`);
  const made = [];
  for (const name of names) {
    const make = () => prepare(directory, name, isServer, work);
    made.push(await attempt(name, 'making the file', make));
  }
  const inputs = made.filter((input) => input !== undefined);
  const largest = Math.max(...inputs.map(({ lines }) => lines.length));
  const files = isServer ? await startServer(work) : localFiles(work);
  for (const input of inputs) {
    const isLargest = input.lines.length === largest;
    const read = () => compareFile(input, files, { isServer, isLargest });
    await attempt(input.name, 'reading the file', read);
  }
  await files.close();
  for (const input of inputs) await compareVerify(input);
}

const textName = (xdl) => `${basename(xdl, '.xdl')}.txt`;

async function compareVerify({ name, path, lines, keys }) {
  await compare(name, 'isutl -v, records, entries and problems', () => {
    const [{ records, entries, problemCount }] = isutl('-v', path);
    const expected = [lines.length, ...keys.map(() => lines.length), 0];
    return { actual: [records, ...entries, problemCount], expected, unit: 'counts' };
  });
}

const args = process.argv.slice(2);
const [directory, ...rest] = args.filter((argument) => argument !== '--server');
if (directory === undefined || rest.length > 0 || directory.startsWith('-')) {
  console.error('usage: node tools/compare-files.mjs DIR [--server]');
  process.exit(2);
}
const work = mkdtempSync(join(tmpdir(), 'rsynd-compare-'));
await attempt('-', 'the whole run', () =>
  compareDirectory(directory, args.includes('--server'), work),
);
rmSync(work, { recursive: true, force: true });
console.log(`${counts.comparisons} comparisons, ${counts.differences} differences`);
process.exit(counts.differences === 0 ? 0 : 1);
