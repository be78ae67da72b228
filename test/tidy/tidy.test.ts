// Keeps the house in step with what its documents promise: layers, cycles, the homes of limits and codes,
// tables in documents, dead files. It reads sources as text and runs none of them.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import t from 'tap';
import { ERROR_CODES } from '../../shared/base/error-code.js';

const ROOMS = ['shared', 'server', 'client', 'demo', 'rsynctl'];

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

const sources = ROOMS.flatMap(filesBelow).filter((path) => path.endsWith('.ts'));
const tests = filesBelow('test').filter((path) => path.endsWith('.ts'));
const textOf = new Map([...sources, ...tests].map((path) => [path, readFileSync(path, 'utf8')]));

/** Own files that a file imports, types included. */
function importsOf(path: string): string[] {
  const text = textOf.get(path) ?? '';
  const found = text.matchAll(/(?:from|import\()\s*'(\.[^']+)\.js'/g);
  return [...found].map(([, target = '']) => `${normalize(join(dirname(path), target))}.ts`);
}

/** Who may not import whom: prefixes of importer and imported, and why. */
const FORBIDDEN: readonly (readonly [from: string, to: string, why: string])[] = [
  ['shared/', 'server/', 'shared is below'],
  ['shared/', 'client/', 'shared is below'],
  ['server/', 'client/', 'a server knows no client'],
  ['client/', 'server/', 'the SDK loads no server'],
  ['server/', 'demo/', 'the demo is an application'],
  ['client/', 'demo/', 'the demo is an application'],
  ['server/', 'rsynctl/', 'rsynctl is an application'],
  ['client/', 'rsynctl/', 'rsynctl is an application'],
  ['demo/', 'rsynctl/', 'rsynctl is an application'],
  ['server/storage/', 'server/isam/', 'storage knows bytes only'],
  ['server/storage/', 'server/operation/', 'storage knows bytes only'],
  ['server/session/', 'server/net/', 'a session never sees a socket'],
  ['server/operation/', 'server/session/', 'an operation knows no session'],
  ['server/operation/', 'server/net/', 'an operation never sees a frame'],
  ['server/lock/', 'server/isam/', 'lock and file do not know each other'],
  ['server/isam/', 'server/lock/', 'lock and file do not know each other'],
];
/** The one door between client and server. */
const DOOR = ['client/local.ts', 'server/embedded.ts'];

t.test('imports look down only', async (t) => {
  const wrong = sources.flatMap((path) =>
    importsOf(path).flatMap((target) =>
      FORBIDDEN.filter(([from, to]) => path.startsWith(from) && target.startsWith(to))
        .filter(() => path !== DOOR[0] || target !== DOOR[1])
        .map(([, , why]) => `${path} imports ${target}: ${why}`),
    ),
  );
  t.strictSame(wrong, []);
});

t.test('there is no import cycle', async (t) => {
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' > '));
      return;
    }
    state.set(path, 'open');
    for (const target of importsOf(path)) visit(target, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of sources) visit(path, []);
  t.strictSame(cycles, []);
});

/** Started apart, as a process or thread; the engine that exists for tests; what the build makes is described by. */
const APART = [
  'demo/reader.ts',
  'server/scan-helper/helper.ts',
  'server/worker/worker-main.ts',
  'server/storage/memory/engine.ts',
  'shared/select/grammar.d.ts',
];

t.test('every file is used by another, or is a program', async (t) => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  const programs = [
    ...Object.values<string>(manifest.bin),
    manifest.exports['.'].default,
    'dist/demo/main.js',
  ];
  const roots = programs.map((path) => path.replace(/^(\.\/)?dist\//, '').replace(/\.js$/, '.ts'));
  const used = new Set([...roots, ...sources.flatMap(importsOf), ...APART]);
  t.strictSame(
    sources.filter((path) => !used.has(path)),
    [],
  );
});

t.test('every error code is thrown somewhere, tested somewhere and documented', async (t) => {
  const product = sources.filter((path) => path !== 'shared/base/error-code.ts');
  const inProduct = product.map((path) => textOf.get(path)).join('\n');
  const inTests = tests.map((path) => textOf.get(path)).join('\n');
  const protocol = readFileSync('PROTOCOL.md', 'utf8');
  for (const [code, { errno }] of Object.entries(ERROR_CODES)) {
    t.ok(inProduct.includes(`'${code}'`), `${code} has a throw site`);
    t.ok(inTests.includes(code), `${code} has a test`);
    t.match(
      protocol,
      new RegExp(`${errno}\\b.*${code}|${code}.*\\b${errno}\\b`),
      `${code} is documented`,
    );
  }
});

t.test('every limit is used', async (t) => {
  const limits = readFileSync('shared/base/limits.ts', 'utf8');
  const names = [...limits.matchAll(/^export const (\w+)/gm)].map(([, name = '']) => name);
  const rest = sources
    .filter((path) => path !== 'shared/base/limits.ts')
    .map((path) => textOf.get(path));
  const text = rest.join('\n');
  t.strictSame(
    names.filter((name) => !text.includes(name)),
    [],
  );
});

t.test('no escape from the type checker and nothing evaluated', async (t) => {
  const escapes = /@ts-ignore|@ts-expect-error|: any\b|\bas any\b|\beval\(|new Function\(/;
  t.strictSame(
    sources.filter((path) => escapes.test(textOf.get(path) ?? '')),
    [],
  );
});

t.test('lines and files stay readable', async (t) => {
  const long = [...textOf].flatMap(([path, text]) =>
    text
      .split('\n')
      .flatMap((line, index) =>
        line.length > 120 && !line.includes('http') ? [`${path}:${index + 1}`] : [],
      ),
  );
  t.strictSame(long, [], 'no line is above 120 columns');
  const large = sources.filter((path) => (textOf.get(path) ?? '').split('\n').length > 500);
  t.strictSame(large, [], 'no file is above 500 lines');
  const headless = sources.filter((path) => !/^(#!.*\n)?\/\//.test(textOf.get(path) ?? ''));
  t.strictSame(headless, [], 'every file begins by saying what it is');
});

t.test('every folder and file that ARCHITECTURE.md names is there', async (t) => {
  const text = readFileSync('ARCHITECTURE.md', 'utf8');
  const named = [...text.matchAll(/`((?:shared|server|client|demo|rsynctl|test)\/[\w./-]+)`/g)].map(
    ([, path = '']) => path,
  );
  t.ok(named.length > 15);
  t.strictSame(
    named.filter((path) => !existsSync(path)),
    [],
  );
});

t.test('every runtime dependency has its line in ARCHITECTURE.md', async (t) => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const text = readFileSync('ARCHITECTURE.md', 'utf8');
  for (const name of Object.keys(dependencies)) t.ok(text.includes(`\`${name}\``), name);
});
