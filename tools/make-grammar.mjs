// Makes the parser of questions from shared/select/grammar.peggy: next to it, where tsx and tsc look for
// it, and in dist, where programs run. Part of `npm run build`; the result is not under version control.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import peggy from 'peggy';

const SOURCE = 'shared/select/grammar.peggy';
const TARGETS = ['shared/select', 'dist/shared/select'];

const code = peggy.generate(readFileSync(SOURCE, 'utf8'), {
  output: 'source',
  format: 'es',
  grammarSource: SOURCE,
  allowedStartRules: ['Expression', 'Query', 'OperandAlone', 'OrderTerm'],
});
for (const folder of TARGETS) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/grammar.js`, code);
}
