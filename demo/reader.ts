// The demo's client, in a process of its own: opens the flagged file over TLS, counts, reads a few
// records by several keys, and asks the channel how it is encrypted.
// Usage: node dist/demo/reader.js HOST:PORT CA.pem

import { connect, RsyndError } from '../client/index.js';
import { type UnicodeRecord, unicodeFile } from './unicode.js';

const [server = '', ca = ''] = process.argv.slice(2);

try {
  await using connection = await connect(`rsynds://${server}`, { scl: 3, tls: { ca } });
  await using characters = await connection.open('unicode', { definition: unicodeFile });

  const byCategory = new Map<string, number>();
  for await (const { category } of characters) {
    byCategory.set(category, (byCategory.get(category) ?? 0) + 1);
  }
  const total = [...byCategory.values()].reduce((sum, count) => sum + count, 0);
  console.log(`records   ${total.toLocaleString('en')} read over the network, by category:`);
  console.log(`          ${[...byCategory].map(([name, count]) => `${name} ${count}`).join(', ')}`);

  for (const character of ['A', 'é', 'Ω', '€', '漢', '😀']) {
    show(await characters.read(character.codePointAt(0) ?? 0, { key: 'codePoint' }));
  }
  console.log('by key script, Cherokee, the first two and the last lower-case letter:');
  show(await characters.read(['Cher'], { key: 'script', match: 'gen' }));
  show(await characters.reads());
  await characters.find(['Cher', 'Lu'], { key: 'script', match: 'geq' });
  await characters.reads();
  show(await characters.reads({ direction: 'reverse' }));

  console.log(`NETCRYPT  ${await characters.isinfo('NETCRYPT')}`);
  console.log(`SLE       ${await characters.getfa('SLE')}`);
  console.log(`SLC       ${await characters.getfa('SLC')}`);
} catch (error) {
  console.error(error instanceof RsyndError ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
}

function show(record: UnicodeRecord | undefined): void {
  if (record === undefined) return;
  const { codePoint, hex, category, scriptName, counterpart } = record;
  const other = counterpart === 0 ? '' : `  other case ${String.fromCodePoint(counterpart)}`;
  const name = `U+${hex}`.padEnd(9);
  console.log(`  ${name} ${String.fromCodePoint(codePoint)}  ${category}  ${scriptName}${other}`);
}
